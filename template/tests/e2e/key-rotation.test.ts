import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import { logInAdmin, type RunningService, startService } from '../../../tests/support/process.ts'
import { testSecret } from '../../../tests/support/service.ts'
import { ed25519 } from '../support/signing-keys.ts'

setDefaultTimeout(60_000)

describe('a service whose signing key was changed from a secret to a private key', () => {
  const started: RunningService[] = []
  afterAll(() => Promise.all(started.map((service) => service.close())))

  async function start(env: Record<string, string> = {}) {
    const service = await startService(env)
    started.push(service)
    return { ...service, token: await logInAdmin(service) }
  }

  const statusOf = async ({ url }: RunningService, token: string) => {
    const answer = await fetch(`${url}/api/auth/me`, { headers: { authorization: `Bearer ${token}` } })
    return answer.status
  }

  test('takes tokens of both by their kid, shows the public one, and takes no other', async () => {
    const before = await start()
    const rotated = await start({ SERVICE_JWT_PRIVATE_KEY: ed25519.private })
    const { kid, alg } = decodeProtectedHeader(rotated.token)
    const keys = createRemoteJWKSet(new URL(`${rotated.url}/.well-known/jwks.json`))

    const verified = await jwtVerify(rotated.token, keys)
    const forged = await new SignJWT(verified.payload)
      .setProtectedHeader({ alg: 'HS256', kid: kid ?? '' })
      .sign(new TextEncoder().encode(ed25519.public))
    const nameless = await new SignJWT(verified.payload)
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(testSecret))

    expect(alg).toBe('EdDSA')
    expect(decodeProtectedHeader(before.token).alg).toBe('HS256')
    expect(await statusOf(rotated, rotated.token)).toBe(200)
    expect(await statusOf(rotated, before.token)).toBe(200)
    expect(await statusOf(before, rotated.token)).toBe(401)
    expect(await statusOf(rotated, forged)).toBe(401)
    expect(await statusOf(rotated, nameless)).toBe(401)
  })
})
