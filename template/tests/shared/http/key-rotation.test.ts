import { describe, expect, test } from 'bun:test'
import { createAuth, jwksRoutes } from '@kiln/shared/http'
import { readTokenKeys, type TokenKeyTexts } from '@kiln/shared/security'
import { Elysia } from 'elysia'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { createTestService, testSecret } from '../../../../tests/support/service.ts'
import { ed25519, rsa } from '../../support/signing-keys.ts'

const next = 'Vw7Kp2Yt9Zr4Mb6Nc1Xs8Hd3Jf5Lg0Qe-next'

/** A release of a service, with the keys that it was given. */
function release(keys: TokenKeyTexts) {
  const about = { issuer: 'here', audience: 'here', ttlSeconds: 900, roles: ['admin'] as const }
  const auth = createAuth({ keys: readTokenKeys(keys), ...about })
  const app = new Elysia()
    .use(jwksRoutes(auth))
    .use(auth.authenticated)
    .get('/', ({ principal }) => principal)
  return {
    app,
    token: () => auth.issueAccessToken({ userId: 7, role: 'admin' }),
    async accepts(token: string) {
      const headers = { authorization: `Bearer ${token}` }
      return (await app.handle(new Request('http://localhost/', { headers }))).ok
    },
  }
}

describe.each([
  ['from one secret to the next', { secret: testSecret }, { secret: next }, testSecret, next],
  [
    'from a secret to EdDSA',
    { secret: testSecret },
    { privateKey: ed25519.private },
    testSecret,
    ed25519.public,
  ],
  [
    'from EdDSA to RS256',
    { privateKey: ed25519.private },
    { privateKey: rsa.private },
    ed25519.public,
    rsa.public,
  ],
])('a rotation %s', (_, before, after, oldKey, newKey) => {
  test('refuses no token while both releases run, when the next key was announced', async () => {
    const old = release({ ...before, previous: [newKey] })
    const fresh = release({ ...after, previous: [oldKey] })

    const tokens = [await old.token(), await fresh.token()]

    for (const token of tokens) for (const each of [old, fresh]) expect(await each.accepts(token)).toBe(true)
  })

  test('ends with the old key: its tokens are good no more', async () => {
    const token = await release(before).token()

    expect(await release(after).accepts(token)).toBe(false)
  })
})

test.each([
  ['EdDSA', ed25519],
  ['RS256', rsa],
])('others verify tokens signed with %s by the key set, and nothing private is in it', async (alg, key) => {
  const { app, token } = release({ privateKey: key.private, previous: [testSecret] })
  const server = app.listen({ hostname: '127.0.0.1', port: 0 })
  const url = new URL(`http://127.0.0.1:${server.server?.port}/.well-known/jwks.json`)

  const answer = await fetch(url)
  const { keys } = (await answer.json()) as { keys: Record<string, unknown>[] }
  const verified = await jwtVerify(await token(), createRemoteJWKSet(url), {
    issuer: 'here',
    audience: 'here',
  })
  await server.stop()

  expect(answer.headers.get('cache-control')).toBe('public, max-age=300')
  expect(answer.headers.get('content-type')).toBe('application/jwk-set+json')
  expect(keys).toHaveLength(1)
  expect(keys[0]).toMatchObject({ alg, use: 'sig', kid: verified.protectedHeader.kid })
  for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(keys[0]).not.toHaveProperty(member)
  expect(verified.payload).toMatchObject({ sub: '7', role: 'admin' })
})

describe('the key set of the service', () => {
  test('is not there with a secret alone', async () => {
    const service = await createTestService()

    const { status } = await service.call('GET', '/.well-known/jwks.json')

    expect(status).toBe(404)
    await service.close()
  })

  test('is turned on by the private key alone', async () => {
    const service = await createTestService({ SERVICE_JWT_PRIVATE_KEY: ed25519.private })
    const { token, user } = await service.signIn('admin')

    const { status, body } = await service.call('GET', '/.well-known/jwks.json')
    const me = await service.call('GET', '/protected', { token })

    expect(status).toBe(200)
    expect(body).toMatchObject({ keys: [{ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA' }] })
    expect(JSON.parse(atob(token.split('.')[0] ?? ''))).toMatchObject({ alg: 'EdDSA' })
    expect(me.body).toEqual({ user_id: user.id })
    await service.close()
  })
})
