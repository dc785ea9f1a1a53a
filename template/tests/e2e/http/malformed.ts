import assert from 'node:assert/strict'
import type { Scene, Scenes } from './suite.ts'

const get = (...lines: readonly string[]) =>
  `GET /live HTTP/1.1\r\n${['Host: service.example', 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`
const post = (lines: readonly string[], body: string) =>
  `POST /api/auth/login HTTP/1.1\r\nHost: service.example\r\nContent-Type: application/json\r\n${lines.join('\r\n')}\r\n\r\n${body}`
const headers = (count: number) => get(...Array.from({ length: count }, (_, index) => `x-${index}: 1`))

/** What a test sends, and what is answered; 0 where the connection is closed without an answer. */
const requests = {
  'a header of 17 KB is 431': [get(`X-Large: ${'x'.repeat(17_000)}`), 431],
  'a header of 100 KB is 431': [get(`X-Large: ${'x'.repeat(100_000)}`), 431],
  '150 headers are served': [headers(150), 200],
  'a thousand headers are 431': [headers(1000), 431],
  'a URL of 100 KB is 431': [get().replace('/live', `/${'x'.repeat(100_000)}`), 431],
  'a length and chunks at once are 400': [
    post(['Content-Length: 3', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    400,
  ],
  'two lengths are 400': [post(['Content-Length: 2', 'Content-Length: 3'], '{} '), 400],
  'a length that is no number is 400': [post(['Content-Length: 2x'], '{}'), 400],
  'a negative length is 400': [post(['Content-Length: -2'], '{}'), 400],
  'an unknown transfer encoding is 400': [post(['Transfer-Encoding: gzip'], '{}'), 400],
  'a chunk without a size is 400': [post(['Transfer-Encoding: chunked'], 'x\r\n{}\r\n0\r\n\r\n'), 400],
  'no host is 400': ['GET /live HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  'a line break within a header is 400': [get('x: a\rb'), 400],
  'NUL within a header is 400': [get('x: a\0b'), 400],
  'a blank before the colon is 400': [get('x : a'), 400],
  'a header without a colon is 400': [get('nonsense'), 400],
  'a version that is none is 505': [get().replace('HTTP/1.1', 'HTTP/9.9'), 505],
  'a method that nobody knows is closed without an answer': [get().replace('GET', 'FOO'), 0],
  'a method with a blank in it is 400': [get().replace('GET', 'G@T('), 400],
  'something else than HTTP is 400': ['\x16\x03\x01\x00\x05hello\r\n\r\n', 400],
} as const satisfies Record<string, readonly [request: string, status: number]>

export type Malformed = keyof typeof requests

/** Such a request is answered with this status, and others are served after it. */
export const isAnswered =
  (request: string, expected: number): Scene =>
  async ({ exchange, ask }) => {
    const { status } = await exchange(request).catch(() => ({ status: 0 }))

    assert.equal(status, expected)
    assert.equal((await ask('GET', '/live')).status, 200)
  }

/** The same request, where a runtime answers it with another status. */
export const isAnsweredOtherwise = (sentence: Malformed, status: number) =>
  isAnswered(requests[sentence][0], status)

/** What is no good HTTP, or too much for the runtime: it answers by itself. */
export const malformed: Scenes = Object.fromEntries(
  Object.entries(requests).map(([sentence, [request, status]]) => [sentence, isAnswered(request, status)]),
)
