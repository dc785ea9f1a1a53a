import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { loadConfig } from '../../../../src/config.ts'
import { createTestService, type TestService, testEnvironment } from '../../../../tests/support/service.ts'

const page = 'https://app.example.org'
const names = [
  'content-security-policy',
  'x-content-type-options',
  'x-frame-options',
  'referrer-policy',
  'permissions-policy',
]

let service: TestService
let token: string
beforeAll(async () => {
  service = await createTestService()
  token = (await service.signIn('admin')).token
})
afterAll(() => service.close())

describe('every answer has the security headers', () => {
  test.each<[string, string, string, number, object]>([
    ['a page of data', 'GET', '/api/my-endpoint', 200, {}],
    ['an unknown path', 'GET', '/nowhere', 404, {}],
    ['a wrong method', 'DELETE', '/api/my-endpoint', 405, {}],
    ['no token', 'GET', '/api/users', 401, {}],
    ['a broken body', 'POST', '/api/auth/login', 400, { body: '{' }],
    ['a body that is not valid', 'POST', '/api/auth/login', 422, { body: {} }],
    ['a URL that is too long', 'GET', `/api/users?${'x'.repeat(9000)}`, 414, {}],
    ['health', 'GET', '/live', 200, {}],
    ['metrics', 'GET', '/metrics', 200, {}],
  ])('%s', async (_, method, path, status, options) => {
    const answer = await service.call(method, path, options)

    expect(answer.status).toBe(status)
    expect(names.filter((name) => !answer.headers.has(name))).toEqual([])
    expect(answer.headers.get('content-security-policy')).toStartWith("default-src 'none';")
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.has('server')).toBe(false)
    expect(answer.headers.has('strict-transport-security')).toBe(false)
  })

  test('an answer to somebody who is logged in is not stored', async () => {
    const { status, headers } = await service.call('GET', '/api/auth/me', { token })

    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
  })

  test('behind TLS that ends elsewhere, a setting says how long browsers insist on it', async () => {
    const behind = await createTestService({ SERVICE_HSTS_SECONDS: '600' })

    const { headers } = await behind.call('GET', '/live')
    await behind.close()

    expect(headers.get('strict-transport-security')).toBe('max-age=600; includeSubDomains')
  })
})

describe('a URL', () => {
  test('above the limit is refused with a code, and a bounded answer', async () => {
    const { status, body } = await service.call('GET', `/${'x'.repeat(9000)}`)

    expect(status).toBe(414)
    expect(body).toMatchObject({ code: 'URI_TOO_LONG', correlation_id: expect.any(String) })
    expect(JSON.stringify(body).length).toBeLessThan(1000)
  })
})

describe('without an allow-list', () => {
  test('no origin is allowed anything', async () => {
    const headers = { origin: page, 'access-control-request-method': 'POST' }

    const preflight = await service.call('OPTIONS', '/api/users', { headers })
    const answer = await service.call('GET', '/api/my-endpoint', { headers: { origin: page } })

    expect(preflight.status).toBe(405)
    expect([...preflight.headers.keys(), ...answer.headers.keys()].join()).not.toContain('access-control')
  })
})

describe('with an allow-list', () => {
  let open: TestService
  beforeAll(async () => {
    open = await createTestService({ SERVICE_CORS_ORIGINS: `${page}, http://localhost:5173` })
  })
  afterAll(() => open.close())

  const preflight = (origin: string) =>
    open.call('OPTIONS', '/api/users', {
      headers: { origin, 'access-control-request-method': 'POST' },
    })

  test('a listed origin may send a token, and its browser remembers that', async () => {
    const { status, headers } = await preflight(page)

    expect(status).toBe(204)
    expect(headers.get('access-control-allow-origin')).toBe(page)
    expect(headers.get('access-control-allow-methods')).toContain('DELETE')
    expect(headers.get('access-control-allow-headers')).toContain('authorization')
    expect(headers.get('access-control-max-age')).toBe('7200')
    expect(headers.get('vary')).toContain('Origin')
    expect(headers.has('access-control-allow-credentials')).toBe(false)
  })

  test('a listed origin reads answers, errors too', async () => {
    const [answer, refusal] = await Promise.all([
      open.call('GET', '/api/my-endpoint', { headers: { origin: 'http://localhost:5173' } }),
      open.call('GET', '/api/users', { headers: { origin: page } }),
    ])

    expect(answer.headers.get('access-control-allow-origin')).toBe('http://localhost:5173')
    expect(refusal.status).toBe(401)
    expect(refusal.headers.get('access-control-allow-origin')).toBe(page)
    expect(refusal.headers.get('access-control-expose-headers')).toContain('x-correlation-id')
  })

  test.each([
    ['null'],
    ['https://app.example.org.evil.example'],
    ['https://evil-app.example.org'],
    ['https://evil.example#https://app.example.org'],
    ['http://app.example.org'],
    ['https://app.example.org:8443'],
    ['https://app.example.org/'],
    ['HTTPS://APP.EXAMPLE.ORG'],
    ['*'],
  ])('%s is not that origin', async (origin) => {
    const refused = await preflight(origin)
    const answer = await open.call('GET', '/api/my-endpoint', { headers: { origin } })

    expect(refused.status).toBe(405)
    expect(refused.headers.has('access-control-allow-origin')).toBe(false)
    expect(answer.headers.has('access-control-allow-origin')).toBe(false)
    expect(answer.headers.get('vary')).toContain('Origin')
  })

  test.each([['*'], ['https://app.example.org/'], ['app.example.org'], ['https://*.example.org']])(
    '%s cannot be listed',
    (origin) => {
      const env = testEnvironment({ SERVICE_CORS_ORIGINS: origin })

      expect(() => loadConfig(env)).toThrow('SERVICE_CORS_ORIGINS')
    },
  )
})
