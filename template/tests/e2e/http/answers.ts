import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { assertProblem, requestOf, type Scenes } from './suite.ts'

const json = 'application/json'

/** Which status is answered to what, and what comes with it. */
export const answers: Scenes = {
  'what is there is 200 in JSON, with its length': async ({ ask }) => {
    const answer = await ask('GET', '/live')

    assert.equal(answer.status, 200)
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json/)
    assert.equal(answer.headers.get('content-length'), String(answer.body.length))
    assert.deepEqual(JSON.parse(answer.body), { status: 'up' })
  },
  'HEAD is answered as GET is, without the body': async ({ ask }) => {
    const get = await ask('GET', '/live')
    const head = await ask('HEAD', '/live')

    assert.equal(head.status, 200)
    assert.equal(head.headers.get('content-type'), get.headers.get('content-type'))
    assert.equal(head.headers.get('content-length'), get.headers.get('content-length'))
  },
  'HEAD on what is not there is 404, without a body': async ({ ask }) => {
    const { status, headers } = await ask('HEAD', '/nowhere')

    assert.equal(status, 404)
    assert.equal(headers.get('content-type'), 'application/problem+json')
  },
  'an unknown path is 404': async ({ ask }) => {
    const answer = await ask('GET', '/nowhere?at=all')

    assert.equal(assertProblem(answer, 404, 'NOT_FOUND').instance, '/nowhere')
  },
  'a method that a path does not take is 405, with those that it takes': async ({ ask }) => {
    const answer = await ask('PUT', '/api/users')

    assertProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    assert.equal(answer.headers.get('allow'), 'GET, POST')
  },
  'what was made is 201, with its place': async ({ ask, token }) => {
    const made = await ask('POST', '/api/users', { token, body: { first_name: 'Ann' } })

    const { id, first_name } = JSON.parse(made.body)
    assert.deepEqual([made.status, first_name], [201, 'Ann'])
    assert.equal(made.headers.get('location'), `/api/users/${id}`)
    assert.equal((await ask('GET', `/api/users/${id}`, { token })).status, 200)
  },
  'nothing to say is 204, without a body, its type or its length': async ({ ask }) => {
    const { status, headers } = await ask('POST', '/api/auth/logout', {
      body: { refresh_token: 'x'.repeat(43) },
    })

    assert.equal(status, 204)
    assert.equal(headers.get('content-type'), undefined)
    assert.equal(headers.get('content-length') ?? '0', '0')
    assert.equal(headers.get('transfer-encoding'), undefined)
  },
  'no token is 401, and says what is asked for': async ({ ask }) => {
    const answer = await ask('GET', '/api/users')

    assertProblem(answer, 401, 'UNAUTHENTICATED')
    assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/)
  },
  'a wrong token is 401, and says that it is wrong': async ({ ask, token }) => {
    const answer = await ask('GET', '/api/users', { token: `${token}x` })

    assert.equal(answer.status, 401)
    assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token"/)
  },
  'a body of the wrong shape is 422, with the places and without the values': async ({ ask, token }) => {
    const body = { first_name: 4711, last_name: { planted: true } }

    const answer = await ask('POST', '/api/users', { token, body })

    const { errors } = assertProblem(answer, 422, 'VALIDATION_FAILED')
    assert.ok(Array.isArray(errors) && errors.some(({ path }) => path === '/first_name'))
    assert.doesNotMatch(answer.body, /planted|4711/)
  },
  'JSON that was announced and does not come is 422': async ({ ask }) => {
    const headers = { 'content-type': json, 'content-length': '0' }

    assertProblem(await ask('POST', '/api/auth/login', { headers }), 422, 'VALIDATION_FAILED')
  },
  'no chunks of JSON are 422': async ({ exchange }) => {
    const headers = { 'content-type': json, 'transfer-encoding': 'chunked' }

    const answer = await exchange(requestOf('POST', '/api/auth/login', { headers }), '0\r\n\r\n')

    assertProblem(answer, 422, 'VALIDATION_FAILED')
  },
  'neither a body nor its type is 422': async ({ ask }) => {
    assertProblem(await ask('POST', '/api/auth/login'), 422, 'VALIDATION_FAILED')
  },
  'broken JSON is 400': async ({ ask }) => {
    assertProblem(await ask('POST', '/api/auth/login', { body: '{"email":' }), 400, 'BODY_INVALID')
  },
  'another type than JSON is 415': async ({ ask }) => {
    const headers = { 'content-type': 'text/plain' }

    assertProblem(
      await ask('POST', '/api/auth/login', { headers, body: '{}' }),
      415,
      'MEDIA_TYPE_UNSUPPORTED',
    )
  },
  'JSON may say its character set': async ({ ask }) => {
    const headers = { 'content-type': 'application/json; charset=utf-8' }

    assertProblem(await ask('POST', '/api/auth/login', { headers, body: '{}' }), 422, 'VALIDATION_FAILED')
  },
  'text beyond ASCII goes in and comes out as it is': async ({ ask, token }) => {
    const made = await ask('POST', '/api/users', { token, body: { first_name: 'Žofie 𝄞' } })

    assert.equal(JSON.parse(made.body).first_name, 'Žofie 𝄞')
  },
  'NUL in a path is 422': async ({ ask, token }) => {
    const answer = await ask('POST', '/api/events/subscriptions/%00/pause', { token })

    assertProblem(answer, 422, 'VALIDATION_FAILED')
  },
  'a correlation id comes back, and one that is malformed is replaced': async ({ ask }) => {
    const id = randomUUID()

    const kept = await ask('GET', '/live', { headers: { 'x-correlation-id': id } })
    const replaced = await ask('GET', '/live', { headers: { 'x-correlation-id': '<script>' } })

    assert.equal(kept.headers.get('x-correlation-id'), id)
    assert.match(replaced.headers.get('x-correlation-id') ?? '', /^[0-9a-f-]{36}$/)
  },
  'a whole URL may be asked for': async ({ exchange }) => {
    const answer = await exchange(
      'GET http://service.example/live HTTP/1.1\r\nHost: service.example\r\nConnection: close\r\n\r\n',
    )

    assert.equal(answer.status, 200)
  },
  'a host of three letters is served': async ({ ask }) => {
    assert.equal((await ask('GET', '/live', { headers: { host: 'api' } })).status, 200)
  },
  'a host that is no host is 400, whatever path it would make': async ({ exchange }) => {
    for (const host of ['no host', 'x/api/users', 'x?y', 'someone@x', 'x#', 'x\\y']) {
      for (const path of ['/live', '/nowhere']) {
        const answer = await exchange(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        assertProblem(answer, 400, 'HOST_INVALID')
      }
    }
  },
}
