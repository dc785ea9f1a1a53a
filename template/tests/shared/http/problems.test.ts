import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { EventInvalidError } from '@kiln/shared'
import { jsonBody, problemErrors, requestContext, sharedProblems } from '@kiln/shared/http'
import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { createTestService, type TestService } from '../../../../tests/support/service.ts'

const marker = 'zq7marker'

let service: TestService
let token: string
beforeAll(async () => {
  service = await createTestService()
  token = (await service.signIn('admin')).token
})
afterAll(() => service.close())

describe('every error is a problem', () => {
  test('of an unknown path', async () => {
    const { status, headers, body } = await service.call('GET', `/api/nothing?q=${marker}`)

    expect(status).toBe(404)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body).toEqual({
      type: 'about:blank',
      title: 'Not found',
      status: 404,
      code: 'NOT_FOUND',
      detail: 'There is nothing at this path',
      instance: '/api/nothing',
      correlation_id: headers.get('x-correlation-id'),
    })
  })

  test.each([
    ['PUT', '/api/users', 'GET, POST'],
    ['POST', '/api/users/7', 'DELETE, GET, PATCH'],
    ['GET', '/api/auth/login', 'POST'],
    ['DELETE', '/live', 'GET'],
  ])('of the method %s for %s, which takes %s', async (method, path, allowed) => {
    const { status, headers, body } = await service.call(method, path)

    expect(status).toBe(405)
    expect(body.code).toBe('METHOD_NOT_ALLOWED')
    expect(headers.get('allow')).toBe(allowed)
  })

  test.each([
    ['e-mail', { email: 'twin@example.org' }, { email: 'TWIN@example.org' }, 'EMAIL_TAKEN'],
    ['telegram_id', { telegram_id: 4711 }, { telegram_id: 4711 }, 'TELEGRAM_ID_TAKEN'],
  ])('of a second user with the same %s', async (_, first, second, code) => {
    await service.call('POST', '/api/users', { token, body: { first_name: 'Ada', ...first } })

    const answer = await service.call('POST', '/api/users', { token, body: { first_name: 'Eve', ...second } })

    expect(answer.status).toBe(409)
    expect(answer.body.code).toBe(code)
    expect(JSON.stringify(answer.body).toLowerCase()).not.toContain('twin@')
  })

  test.each([
    ['GET', '/api/users/999999'],
    ['PATCH', '/api/users/999999'],
    ['POST', '/api/users/999999/verify'],
    ['DELETE', '/api/users/9007199254740991'],
  ])('of an unknown id: %s %s', async (method, path) => {
    const body = method === 'PATCH' ? { first_name: 'Ada' } : undefined

    const answer = await service.call(method, path, { token, body })

    expect(answer.status).toBe(404)
    expect(answer.body.code).toBe('USER_NOT_FOUND')
  })

  test.each([
    ['0'],
    ['-1'],
    ['1.5'],
    ['1e30'],
    ['9007199254740992'],
    ['0x10'],
    ['%20'],
    ['%00'],
    [marker],
    ["1'%20or%20'1'='1"],
    ['%E0%A4%A'],
    ['9'.repeat(500)],
  ])('of the id %s', async (id) => {
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/verify'],
      ['DELETE', ''],
    ] as const) {
      const answer = await service.call(method, `/api/users/${id}${path}`, { token })

      expect(answer.status).toBe(422)
      expect(answer.body).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ path: '/id' }] })
    }
  })

  test.each([
    ['/api/users?limit=0', '/limit'],
    ['/api/users?limit=101', '/limit'],
    [`/api/users?limit=${marker}`, '/limit'],
    [`/api/users?role=${marker}`, '/role'],
    ['/api/users?limit=', '/limit'],
    ['/api/users?limit=0x10', '/limit'],
    [`/api/users?cursor=${marker}`, '/cursor'],
    ['/api/users?cursor=%00', '/cursor'],
    [`/api/users?cursor=${btoa('1.2').replaceAll('=', '')}`, '/cursor'],
    ['/api/audit?entity=a%00b', '/entity'],
    ['/api/audit?entity_id=%00', '/entity_id'],
    [`/api/audit?entity=${marker.repeat(10)}`, '/entity'],
    ['/api/audit?actor_id=1e30', '/actor_id'],
    [`/api/audit?from=${marker}`, '/from'],
    ['/api/audit?from=2024-01-01T10:00:00', '/from'],
    ['/api/audit?to=2024-12-31T23:59:60Z', '/to'],
  ])('of the query %s', async (path, field) => {
    const answer = await service.call(path.startsWith('/') ? 'GET' : '', path, { token })

    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ path: field }] })
    expect(JSON.stringify(answer.body)).not.toContain('kind')
    expect(JSON.stringify(answer.body)).not.toContain(marker)
  })

  test.each([
    '-004713-11-23T00:00:00Z',
    '%2B275760-09-13T00:00:00Z',
    '"2026-01-01T00:00:00Z"',
    '2026-01-01T00:00',
  ])('the query from=%s is no date', async (date) => {
    const { status, body } = await service.call('GET', `/api/audit?from=${date}`, { token })

    expect(status).toBe(422)
    expect(body).toMatchObject({ errors: [{ path: '/from' }] })
  })

  test.each([
    ['/api/audit?from=0000-01-01T00:00:00Z'],
    ['/api/audit?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z'],
    [`/api/audit?cursor=${btoa('999999999999999.999999999999999').replaceAll('=', '')}`],
    [`/api/audit?cursor=${btoa('0.0').replaceAll('=', '')}`],
  ])('but the query %s has an answer', async (path) => {
    const answer = await service.call(path.startsWith('/') ? 'GET' : '', path, { token })

    expect(answer.status).toBe(200)
  })
})

describe('the token is looked at before the request', () => {
  test.each([
    ['POST', '/api/users', { nonsense: marker }],
    ['GET', '/api/users?limit=1000', undefined],
    ['GET', `/api/users/${marker}`, undefined],
    ['POST', '/api/auth/password', {}],
  ])('%s %s', async (method, path, body) => {
    const answer = await service.call(method, path, { body })

    expect(answer.status).toBe(401)
    expect(answer.body).not.toHaveProperty('errors')
  })

  test('and the role, too', async () => {
    const applicant = await service.signIn('applicant')

    const answer = await service.call('POST', '/api/users', {
      token: applicant.token,
      body: { first_name: 'Ada' },
    })

    expect(answer.status).toBe(403)
    expect(answer.body.code).toBe('FORBIDDEN')
  })
})

describe('an unexpected error', () => {
  const reported: { error: unknown; code: string }[] = []
  const secret = new Error(`${marker} at line 7`, { cause: new Error(`${marker} below`) })
  const app = new Elysia()
    .use(requestContext())
    .use(problemErrors({ problems: sharedProblems, report: (error, code) => reported.push({ error, code }) }))
    .use(jsonBody({ maxBytes: 1000 }))
    .get('/thrown', () => {
      throw secret
    })
    .get('/rejected', () =>
      Promise.reject(Object.assign(new Error(marker), { status: 418, code: 'NOT_FOUND' })),
    )
    .get('/text', () => {
      throw marker
    })
    .get('/invalid-event', () => {
      throw new EventInvalidError('user.created', [{ path: '/first_name', message: marker }])
    })
    .get('/wrong-answer', () => ({ count: marker }) as never, {
      response: Type.Object({ count: Type.Integer() }),
    })

  test.each([['/thrown'], ['/rejected'], ['/text'], ['/invalid-event'], ['/wrong-answer']])(
    'is 500, is reported once and does not show itself: %s',
    async (path) => {
      reported.length = 0

      const response = await app.handle(new Request(`http://localhost${path}`))
      const text = await response.text()

      expect(response.status).toBe(500)
      expect(JSON.parse(text)).toMatchObject({
        code: 'INTERNAL_ERROR',
        detail: 'An unexpected error happened',
      })
      expect(text).not.toMatch(/zq7marker|stack|\.ts/)
      expect(reported).toHaveLength(1)
    },
  )

  test('is reported as it was thrown, with its cause', async () => {
    reported.length = 0

    await app.handle(new Request('http://localhost/thrown'))

    expect(reported).toEqual([{ error: secret, code: 'INTERNAL_ERROR' }])
    expect(reported[0]?.error).toBe(secret)
  })
})
