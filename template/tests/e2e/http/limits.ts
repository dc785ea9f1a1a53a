import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { assertProblem, requestOf, type Scenes } from './suite.ts'

const login = '/api/auth/login'
const json = { 'content-type': 'application/json' }

/** What is too much, and how that is told. */
export const limits: Scenes = {
  'a long URL is 414': async ({ ask }) => {
    assertProblem(await ask('GET', `/${'x'.repeat(10_000)}`), 414, 'URI_TOO_LONG')
  },
  'a large body is 413 as soon as its length is known': async ({ ask }) => {
    const answer = await ask('POST', login, { headers: { ...json, 'content-length': '100000000' } })

    assertProblem(answer, 413, 'BODY_TOO_LARGE')
  },
  'a large body in chunks is 413 before its end': async ({ exchange }) => {
    const head = requestOf('POST', login, { headers: { ...json, 'transfer-encoding': 'chunked' } })
    const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`

    assertProblem(await exchange(head, chunk, chunk), 413, 'BODY_TOO_LARGE')
  },
  'a body below the limit is taken, however it is cut': async ({ connection }) => {
    const asked = connection()
    asked.send(requestOf('POST', login, { headers: { ...json, 'transfer-encoding': 'chunked' } }))
    for (const letter of '{"email":1}') asked.send(`1\r\n${letter}\r\n`)
    asked.send('0\r\n\r\n')

    assertProblem(await asked.answer(), 422, 'VALIDATION_FAILED')
  },
  'a compressed body is 415, whatever it would grow to': async ({ exchange }) => {
    const bomb = gzipSync(new Uint8Array(100_000))
    const headers = { ...json, 'content-encoding': 'gzip', 'content-length': String(bomb.byteLength) }

    const answer = await exchange(requestOf('POST', login, { headers }), bomb)

    assertProblem(answer, 415, 'CONTENT_ENCODING_UNSUPPORTED')
    assert.equal(answer.headers.get('accept-encoding'), 'identity')
  },
  'a body that nests too deep is 422': async ({ ask, token }) => {
    const body = `{"first_name":${'['.repeat(40)}${']'.repeat(40)}}`

    assertProblem(await ask('POST', '/api/users', { token, body }), 422, 'VALIDATION_FAILED')
  },
  'a body that never ends is 408, and its connection is to be closed': async ({ exchange }) => {
    const headers = { ...json, 'content-length': '100', connection: 'keep-alive' }

    const answer = await exchange(requestOf('POST', login, { headers }), '{"email":')

    assertProblem(answer, 408, 'BODY_TOO_SLOW')
    // Deno says it once more.
    assert.match(answer.headers.get('connection') ?? '', /^close(, close)?$/)
  },
}
