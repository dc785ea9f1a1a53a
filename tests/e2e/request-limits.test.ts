import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type RunningService, startService } from '../support/process.ts'

setDefaultTimeout(30_000)

let service: RunningService
beforeAll(async () => {
  service = await startService({ SERVICE_BODY_TIMEOUT_MS: '500', SERVICE_MAX_BODY_BYTES: '4096' })
})
afterAll(() => service.close())

/** The first answer, or what came of it until the connection ended: Deno keeps one that has an unread body. */
function exchange(...sent: (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(service.port, '127.0.0.1', () => {
      for (const part of sent) socket.write(part)
    })
    socket.on('data', (data) => {
      answer += data
      const [head = '', body] = answer.split('\r\n\r\n')
      const length = /^content-length: (\d+)/im.exec(head)?.[1]
      if (body !== undefined && length !== undefined && body.length >= Number(length)) socket.destroy()
    })
    // What is refused unread may end in a reset.
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
  })
}

const get = (path: string, headers = '') =>
  exchange(`GET ${path} HTTP/1.1\r\nHost: service.example\r\nConnection: close\r\n${headers}\r\n`)
const post = (headers: string, body: string | Uint8Array) =>
  exchange(
    `POST /api/auth/login HTTP/1.1\r\nHost: service.example\r\nContent-Type: application/json\r\n${headers}\r\n`,
    body,
  )

describe('a request beyond a limit is refused with a code', () => {
  test('a long URL', async () => {
    const answer = await get(`/${'x'.repeat(10_000)}`)

    expect(answer).toStartWith('HTTP/1.1 414 ')
    expect(answer).toContain('"code":"URI_TOO_LONG"')
    expect(answer.toLowerCase()).toContain('x-content-type-options: nosniff')
  })

  test('a large body, as soon as its length is known', async () => {
    const answer = await post('Connection: close\r\nContent-Length: 100000000\r\n', 'x')

    expect(answer).toStartWith('HTTP/1.1 413 ')
    expect(answer).toContain('"code":"BODY_TOO_LARGE"')
  })

  test('a compressed body', async () => {
    const bomb = gzipSync(new Uint8Array(100_000))
    const headers = `Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.byteLength}\r\n`

    const answer = await post(headers, bomb)

    expect(answer).toStartWith('HTTP/1.1 415 ')
    expect(answer).toContain('"code":"CONTENT_ENCODING_UNSUPPORTED"')
  })

  test('a body that never ends, and its connection is to be closed', async () => {
    const answer = await post('Content-Length: 100\r\n', '{"email":')

    expect(answer).toStartWith('HTTP/1.1 408 ')
    expect(answer).toContain('"code":"BODY_TOO_SLOW"')
    expect(answer.toLowerCase()).toContain('connection: close')
  })
})

describe('a request that the runtime refuses', () => {
  test.each([
    ['large headers', `X-Large: ${'x'.repeat(100_000)}\r\n`],
    ['many headers', Array.from({ length: 1000 }, (_, index) => `x-${index}: 1\r\n`).join('')],
    ['a length and chunks at once', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'],
    ['a line break within a header', 'x: a\rb\r\n'],
    ['NUL within a header', 'x: a\0b\r\n'],
  ])('%s', async (_, headers) => {
    const answer = await get('/live', headers)

    expect(answer).toMatch(/^HTTP\/1\.1 4(00|31) /)
  })

  test('leaves the others served', async () => {
    const answer = await get('/live')

    expect(answer).toStartWith('HTTP/1.1 200 ')
    expect(answer.toLowerCase()).not.toContain('\r\nserver:')
  })
})
