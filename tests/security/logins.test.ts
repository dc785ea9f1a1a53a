import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createPasswordHasher } from '@kiln/shared/security'
import { type Answer, createTestService, type TestService, testPassword } from '../support/service.ts'

/** Counts the dear part of a login, so that no clock is needed to compare two. */
const hasher = createPasswordHasher()
let hashed: (string | null)[] = []
const passwords: typeof hasher = {
  hash: hasher.hash,
  verify(password, hash) {
    hashed.push(hash)
    return hasher.verify(password, hash)
  },
}

let service: TestService
beforeAll(async () => {
  service = await createTestService({}, { passwords })
  await service.signUp('applicant', 'known@example.org')
  await service.signIn('applicant', { email: 'no-password@example.org' })
  const { user } = await service.signUp('applicant', 'gone@example.org')
  const { token } = await service.signIn('admin')
  await service.call('DELETE', `/api/users/${user.id}`, { token })
})
afterAll(() => service.close())

const logIn = (email: string, password: string) =>
  service.call('POST', '/api/auth/login', { body: { email, password } })

/** What may differ from one answer to the next. */
function withoutIds({ status, headers, body }: Answer<Record<string, unknown>>) {
  const names = [...headers.keys()].filter((name) => name !== 'x-correlation-id').sort()
  return { status, names, body: { ...body, correlation_id: null } }
}

describe('finding out who has an account', () => {
  const strangers = [
    'unknown@example.org',
    'no-password@example.org',
    'gone@example.org',
    '%@example.org',
    '@',
  ]

  test.each(strangers)('by the answer to a login as %s', async (email) => {
    const known = await logIn('known@example.org', 'a-wrong-password-41')

    const stranger = await logIn(email, 'a-wrong-password-41')

    expect(known.status).toBe(401)
    expect(withoutIds(stranger)).toEqual(withoutIds(known))
  })

  test.each(strangers)(
    'by the time that a login as %s takes: it hashes once, at the same cost',
    async (email) => {
      hashed = []

      await logIn('known@example.org', 'a-wrong-password-41')
      await logIn(email, 'a-wrong-password-41')

      expect(hashed).toEqual([expect.stringMatching(/^scrypt\$16384\$8\$5\$/), null])
    },
  )

  test('by the right password of somebody deactivated', async () => {
    const wrong = await logIn('gone@example.org', 'a-wrong-password-41')

    expect(withoutIds(await logIn('gone@example.org', testPassword))).toEqual(withoutIds(wrong))
  })

  test('by logging out, or by setting a password, with tokens that are guessed', async () => {
    const guess = 'A'.repeat(43)
    hashed = []

    const out = await service.call('POST', '/api/auth/logout', { body: { refresh_token: guess } })
    const set = await service.call('POST', '/api/auth/password/set', {
      body: { token: guess, new_password: testPassword },
    })

    expect([out.status, set.status]).toEqual([204, 401])
    expect(hashed).toEqual([])
  })
})

describe('replaying a refresh token', () => {
  const refresh = (refresh_token: string) =>
    service.call<Record<string, string>>('POST', '/api/auth/refresh', { body: { refresh_token } })
  const ask = async (token: string) => (await service.call('GET', '/api/auth/me', { token })).status

  test('ends the login that it was stolen from: the thief, the victim, and their access tokens', async () => {
    const victim = await service.logIn('known@example.org')
    const thief = (await refresh(victim.refresh_token)).body
    const before = await ask(thief.access_token ?? '')

    const replayed = await refresh(victim.refresh_token)
    await service.endedLogins.refresh()

    expect(before).toBe(200)
    expect(replayed.body.code).toBe('REFRESH_TOKEN_REUSED')
    expect((await refresh(thief.refresh_token ?? '')).body.code).toBe('REFRESH_TOKEN_INVALID')
    expect(await ask(thief.access_token ?? '')).toBe(401)
    expect(await ask(victim.access_token)).toBe(401)
  })

  test('twenty times at once gives one pair, and that ends too', async () => {
    const { refresh_token } = await service.logIn('known@example.org')

    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(refresh_token)))
    await service.endedLogins.refresh()

    const [winner, ...others] = answers.filter(({ status }) => status === 200)
    expect(others).toEqual([])
    expect((await refresh(winner?.body.refresh_token ?? '')).status).toBe(401)
    expect(await ask(winner?.body.access_token ?? '')).toBe(401)
  })

  test('after a logout, or as an access token', async () => {
    const { refresh_token } = await service.logIn('known@example.org')

    const asAccess = await ask(refresh_token)
    await service.call('POST', '/api/auth/logout', { body: { refresh_token } })

    expect(asAccess).toBe(401)
    expect((await refresh(refresh_token)).status).toBe(401)
  })

  test('an access token refreshes nothing', async () => {
    const { access_token } = await service.logIn('known@example.org')

    const { status } = await refresh(access_token.slice(0, 100))

    expect(status).toBe(401)
  })
})

describe('an access token that was good a moment ago, and is remembered as verified', () => {
  test('is refused once its login, or its role, has ended', async () => {
    const { user, token } = await service.signIn('manager')
    const admin = await service.signIn('admin')
    const list = async () => (await service.call('GET', '/api/users', { token })).status

    const before = [await list(), await list()]
    await service.call('PATCH', `/api/users/${user.id}`, { token: admin.token, body: { role: 'applicant' } })
    await service.endedLogins.refresh()

    expect(before).toEqual([200, 200])
    expect(await list()).toBe(401)
  })

  test('is refused when the role was changed by hand in the database', async () => {
    const { user, token } = await service.signIn('manager')

    await service.db.updateTable('users').set({ role: 'applicant' }).where('id', '=', user.id).execute()
    await service.endedLogins.refresh()

    expect((await service.call('GET', '/api/users', { token })).status).toBe(401)
  })
})
