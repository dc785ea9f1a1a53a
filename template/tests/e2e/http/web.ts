import assert from 'node:assert/strict'
import type { Scenes, Stage } from './suite.ts'

/** The only origin that is listed. */
export const listedOrigin = 'https://app.example.org'

const asked = { 'access-control-request-method': 'POST' }

/** One answer of every kind, refusals and errors included. */
async function everyKind({ ask, token }: Stage) {
  const answers = await Promise.all([
    ask('GET', '/live'),
    ask('POST', '/api/auth/login', { body: '{' }),
    ask('GET', '/api/users'),
    ask('GET', '/nowhere'),
    ask('DELETE', '/live'),
    ask('POST', '/api/auth/login', { headers: { 'content-length': '99999999' } }),
    ask('GET', `/${'x'.repeat(9000)}`),
    ask('POST', '/api/auth/login', { body: 'x', headers: { 'content-type': 'text/plain' } }),
    ask('POST', '/api/users', { token, body: {} }),
  ])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 400, 401, 404, 405, 413, 414, 415, 422],
  )
  return answers
}

/** What browsers are told. */
export const web: Scenes = {
  'every answer has the security headers': async (stage) => {
    for (const { status, headers } of await everyKind(stage)) {
      const said = (name: string) => `${status} ${headers.get(name)}`
      assert.equal(said('x-content-type-options'), `${status} nosniff`)
      assert.equal(said('x-frame-options'), `${status} DENY`)
      assert.equal(said('referrer-policy'), `${status} no-referrer`)
      assert.equal(said('cache-control'), `${status} no-store`)
      assert.match(said('content-security-policy'), /default-src 'none'/)
    }
  },
  'no answer says what it was served by': async (stage) => {
    for (const { headers } of await everyKind(stage)) {
      assert.equal(headers.get('server'), undefined)
      assert.equal(headers.get('x-powered-by'), undefined)
    }
  },
  'every answer has a date': async (stage) => {
    for (const { headers } of await everyKind(stage))
      assert.ok(Math.abs(Date.parse(headers.get('date') ?? '') - Date.now()) < 60_000)
  },
  'a page of a listed origin may call': async ({ ask }) => {
    const { status, headers } = await ask('OPTIONS', '/api/users', {
      headers: { origin: listedOrigin, ...asked },
    })

    assert.equal(status, 204)
    assert.equal(headers.get('access-control-allow-origin'), listedOrigin)
    assert.match(headers.get('access-control-allow-methods') ?? '', /POST/)
    assert.match(headers.get('access-control-allow-headers') ?? '', /authorization/)
    assert.equal(headers.get('access-control-allow-credentials'), undefined)
  },
  'a page of a listed origin reads answers and refusals': async ({ ask }) => {
    for (const path of ['/live', '/api/users', '/nowhere']) {
      const { headers } = await ask('GET', path, { headers: { origin: listedOrigin } })
      assert.equal(headers.get('access-control-allow-origin'), listedOrigin)
      assert.match(headers.get('vary') ?? '', /Origin/)
    }
  },
  'a page of another origin may neither call nor read': async ({ ask }) => {
    const headers = { origin: `${listedOrigin}.evil.example`, ...asked }

    const preflight = await ask('OPTIONS', '/api/users', { headers })
    const answer = await ask('GET', '/live', { headers })

    assert.equal(preflight.status, 405)
    for (const { headers: said } of [preflight, answer])
      assert.equal(said.get('access-control-allow-origin'), undefined)
  },
}
