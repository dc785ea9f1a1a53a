import assert from 'node:assert/strict'
import type { Scene, Scenes } from './suite.ts'

const get = (...lines: readonly string[]) =>
  `GET /live HTTP/1.1\r\n${['Host: service.example', 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`
const post = (lines: readonly string[], body: string) =>
  `POST /api/auth/login HTTP/1.1\r\nHost: service.example\r\nContent-Type: application/json\r\n${lines.join('\r\n')}\r\n\r\n${body}`

const requests: Readonly<Record<string, string>> = {
  'a header of 100 KB': get(`X-Large: ${'x'.repeat(100_000)}`),
  'a thousand headers': get(...Array.from({ length: 1000 }, (_, index) => `x-${index}: 1`)),
  'a URL of 100 KB': get().replace('/live', `/${'x'.repeat(100_000)}`),
  'a length and chunks at once': post(['Content-Length: 3', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  'two lengths': post(['Content-Length: 2', 'Content-Length: 3'], '{} '),
  'a length that is no number': post(['Content-Length: 2x'], '{}'),
  'a negative length': post(['Content-Length: -2'], '{}'),
  'an unknown transfer encoding': post(['Transfer-Encoding: gzip'], '{}'),
  'a chunk without a size': post(['Transfer-Encoding: chunked'], 'x\r\n{}\r\n0\r\n\r\n'),
  'no host': 'GET /live HTTP/1.1\r\nConnection: close\r\n\r\n',
  'a line break within a header': get('x: a\rb'),
  'NUL within a header': get('x: a\0b'),
  'a blank before the colon': get('x : a'),
  'a header without a colon': get('nonsense'),
  'a version that is none': get().replace('HTTP/1.1', 'HTTP/9.9'),
  'a method with a blank in it': get().replace('GET', 'G@T('),
  'something else than HTTP': '\x16\x03\x01\x00\x05hello\r\n\r\n',
}

/** Refused by an answer, or by the end of the connection: never served. */
const refused =
  (request: string): Scene =>
  async ({ exchange, ask }) => {
    const closed = 0
    const { status } = await exchange(request).catch(() => ({ status: closed }))

    assert.ok(status === closed || (status >= 400 && status <= 505 && status !== 422), String(status))
    assert.equal((await ask('GET', '/live')).status, 200)
  }

/** What is no good HTTP. Which runtime says what differs; that it is not served does not. */
export const malformed: Scenes = Object.fromEntries(
  Object.entries(requests).map(([name, request]) => [`${name} is refused`, refused(request)]),
)
