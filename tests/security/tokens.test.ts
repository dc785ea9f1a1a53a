import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { createAuth } from '@kiln/shared/http'
import { readTokenKeys } from '@kiln/shared/security'
import { Elysia } from 'elysia'
import { createTestService, type TestService, testSecret } from '../support/service.ts'

let service: TestService
beforeAll(async () => {
  service = await createTestService()
  // Who the tokens say they are of.
  await service.signIn('admin')
})
afterAll(() => service.close())

const seconds = Math.floor(Date.now() / 1000)
const claims = {
  sub: '1',
  role: 'admin',
  iss: 'example-service',
  aud: 'example-service',
  iat: seconds,
  exp: seconds + 900,
  jti: 'some-id',
  sid: 'some-login',
  ver: 0,
}

const { kid } = readTokenKeys({ secret: testSecret }).current

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')

interface TokenOptions {
  readonly alg?: string
  readonly hash?: string
  readonly secret?: string
  readonly kid?: string | undefined
}

function tokenOf(
  changes: Record<string, unknown> = {},
  { alg = 'HS256', hash = 'sha256', secret = testSecret, ...header }: TokenOptions = {},
): string {
  const signed = `${encode({ alg, typ: 'JWT', kid, ...header })}.${encode({ ...claims, ...changes })}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

const ask = (token: string) => service.call('GET', '/api/auth/me', { token })

test('a token made by hand with the right key and claims is good, so the others fail for what they change', async () => {
  const { status, body } = await ask(tokenOf())

  expect(status).toBe(200)
  expect(body).toMatchObject({ id: 1 })
})

describe('a token is refused', () => {
  const [header = '', payload = '', signature = ''] = tokenOf().split('.')

  test.each([
    ['with other claims than were signed', `${header}.${encode({ ...claims, sub: '2' })}.${signature}`],
    [
      'with another signature',
      `${header}.${payload}.${signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}`,
    ],
    ['without a signature', `${header}.${payload}.`],
    ['with two parts', `${header}.${payload}`],
    ['of another key', tokenOf({}, { secret: `${testSecret}x` })],
    ['of an empty key', tokenOf({}, { secret: '' })],
    ['with alg none', `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`],
    ['with alg None and a signature', tokenOf({}, { alg: 'None' })],
    ['with HS512', tokenOf({}, { alg: 'HS512', hash: 'sha512' })],
    ['with HS384', tokenOf({}, { alg: 'HS384', hash: 'sha384' })],
    ['with RS256 over an HMAC', tokenOf({}, { alg: 'RS256' })],
    ['that has expired', tokenOf({ exp: seconds - 1 })],
    ['that is not valid yet', tokenOf({ nbf: seconds + 600 })],
    ['without exp', tokenOf({ exp: undefined })],
    ['with a text for exp', tokenOf({ exp: '9999999999' })],
    ['without iat', tokenOf({ iat: undefined })],
    ['without jti', tokenOf({ jti: undefined })],
    ['without sub', tokenOf({ sub: undefined })],
    ['without role', tokenOf({ role: undefined })],
    ['with an unknown role', tokenOf({ role: 'root' })],
    ['with a list of roles', tokenOf({ role: ['admin'] })],
    ['with a name of every object for a role', tokenOf({ role: 'constructor' })],
    ['for another audience', tokenOf({ aud: 'other-service' })],
    ['without an audience', tokenOf({ aud: undefined })],
    ['of another issuer', tokenOf({ iss: 'other-service' })],
    ['without an issuer', tokenOf({ iss: undefined })],
    ['for the user 0', tokenOf({ sub: '0' })],
    ['for a user who is not a number', tokenOf({ sub: 'admin' })],
    ['for a user beyond 53 bits', tokenOf({ sub: '9007199254740993' })],
    ['without a key id', tokenOf({}, { kid: undefined })],
    ['without the id of a login', tokenOf({ sid: undefined })],
    ['with a number for a login', tokenOf({ sid: 7 })],
    ['without a version', tokenOf({ ver: undefined })],
    ['with a text for a version', tokenOf({ ver: '99' })],
    ['with half a version', tokenOf({ ver: 1.5 })],
    ['that lives longer than ours do', tokenOf({ iat: seconds - 1000, exp: seconds + 1_000_000 })],
    ['for a list of audiences without ours', tokenOf({ aud: ['a', 'b'] })],
    ['that is no token', 'nonsense'],
    ['that is three dots', '...'],
    ['of 4,000 nested lists', `${encode({ alg: 'HS256', kid })}.${btoa('['.repeat(2900))}.AAAA`],
    ['of 4,097 characters', 'x'.repeat(4097)],
  ])('%s', async (_, token) => {
    const { status, headers, body } = await ask(token)

    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toStartWith('Bearer')
    expect(body).toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(JSON.stringify(body)).not.toContain(token)
    if (token.length < 4097) expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  })

  test.each([
    ['Basic YWRhOnNlY3JldA=='],
    ['Bearer'],
    ['Bearer  '],
    [`bearer${tokenOf()}`],
    [`Token ${tokenOf()}`],
  ])('in the header %.14s', async (authorization) => {
    const { status, headers } = await service.call('GET', '/api/auth/me', { headers: { authorization } })

    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toBe('Bearer')
  })

  test('in the query, where it would stand in logs', async () => {
    const { status } = await service.call('GET', `/api/auth/me?access_token=${tokenOf()}&token=${tokenOf()}`)

    expect(status).toBe(401)
  })
})

test('the scheme is taken in any case', async () => {
  const { status } = await service.call('GET', '/api/auth/me', {
    headers: { authorization: `BEARER ${tokenOf()}` },
  })

  expect(status).toBe(200)
})

test('an issued token ends when its life does', async () => {
  let nowMs = 1_700_000_000_000
  const options = {
    keys: readTokenKeys({ secret: testSecret }),
    issuer: 'i',
    audience: 'a',
    ttlSeconds: 60,
    roles: ['admin'] as const,
  }
  const auth = createAuth({ ...options, now: () => nowMs })
  const app = new Elysia().use(auth.authenticated).get('/', ({ principal }) => principal)
  const token = await auth.issueAccessToken({ userId: 7, role: 'admin' })
  const get = () =>
    app.handle(new Request('http://localhost/', { headers: { authorization: `Bearer ${token}` } }))

  nowMs += 59_000
  const inTime = await get()
  nowMs += 1_000
  const late = await get()

  expect(await inTime.json()).toEqual({ userId: 7, role: 'admin' })
  expect(late.status).not.toBe(200)
})

test('two tokens of one user differ by their jti', async () => {
  const tokens = await Promise.all(
    [1, 2].map(() => service.auth.issueAccessToken({ userId: 1, role: 'admin' })),
  )

  expect(new Set(tokens).size).toBe(2)
})
