import { describe, expect, test } from 'bun:test'
import { createAuth } from '@kiln/shared/http'
import { readTokenKeys } from '@kiln/shared/security'
import { Elysia } from 'elysia'
import { verifiedTokens } from '../../../../shared/http/verified-tokens.ts'
import { testSecret } from '../../../../tests/support/service.ts'

describe('verified tokens', () => {
  test('are known until the very second they expire', () => {
    const clock = { nowMs: 0 }
    const tokens = verifiedTokens<string>({ now: () => clock.nowMs })
    tokens.remember('a.b.c', 'ada', 100)

    clock.nowMs = 99_999
    expect(tokens.find('a.b.c')).toBe('ada')
    clock.nowMs = 100_000
    expect(tokens.find('a.b.c')).toBeUndefined()
  })

  test('push the oldest out', () => {
    const tokens = verifiedTokens<number>({ now: () => 0, maxTokens: 2 })

    for (const token of [1, 2, 3]) tokens.remember(`token ${token}`, token, 100)

    expect([1, 2, 3].map((token) => tokens.find(`token ${token}`))).toEqual([undefined, 2, 3])
  })

  test('an access token that was used before is refused once it has expired', async () => {
    const clock = { nowMs: Date.now() }
    const auth = createAuth({
      keys: readTokenKeys({ secret: testSecret }),
      issuer: 'here',
      audience: 'here',
      ttlSeconds: 60,
      roles: ['admin'] as const,
      now: () => clock.nowMs,
    })
    const app = new Elysia().use(auth.authenticated).get('/', ({ principal }) => principal)
    const token = await auth.issueAccessToken({ userId: 7, role: 'admin' })
    const ask = (bearer: string) =>
      app.handle(new Request('http://localhost/', { headers: { authorization: `Bearer ${bearer}` } }))

    expect(await (await ask(token)).json()).toEqual({ userId: 7, role: 'admin' })
    expect(await (await ask(token)).json()).toEqual({ userId: 7, role: 'admin' })
    expect((await ask(`${token.slice(0, -2)}xx`)).ok).toBe(false)
    clock.nowMs += 60_000
    expect((await ask(token)).ok).toBe(false)
  })
})
