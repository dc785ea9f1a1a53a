import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createTestService, type TestService, testPassword } from '../../../support/service.ts'

const newPassword = 'another-41-Quiet-river'

let service: TestService
let admin: string
beforeAll(async () => {
  service = await createTestService()
  admin = (await service.signIn('admin')).token
})
afterAll(() => service.close())

let people = 0
async function somebody() {
  const email = `person-${++people}@example.org`
  return { email, ...(await service.signUp('applicant', email)) }
}

const change = (token: string, body: Record<string, string>) =>
  service.call('POST', '/api/auth/password', { token, body })
const logInStatus = async (email: string, password: string) =>
  (await service.call('POST', '/api/auth/login', { body: { email, password } })).status
const passwordToken = async (id: number) =>
  (
    await service.call<{ token: string; expires_at: string }>('POST', `/api/users/${id}/password-token`, {
      token: admin,
    })
  ).body
const setPassword = (token: string, new_password = newPassword) =>
  service.call('POST', '/api/auth/password/set', { body: { token, new_password } })

describe('me', () => {
  test('is who the token belongs to', async () => {
    const { user, token, email } = await somebody()

    const { status, body } = await service.call('GET', '/api/auth/me', { token })

    expect(status).toBe(200)
    expect(body).toEqual({
      id: user.id,
      first_name: user.first_name,
      last_name: null,
      email,
      role: 'applicant',
    })
  })

  test('is nobody once the user is deactivated', async () => {
    const { user, token } = await somebody()
    await service.call('DELETE', `/api/users/${user.id}`, { token: admin })

    const { status, body } = await service.call('GET', '/api/auth/me', { token })

    expect(status).toBe(401)
    expect(body.code).toBe('UNAUTHENTICATED')
  })
})

describe('a change of password', () => {
  test('lets in the new one, keeps out the old one and ends every login', async () => {
    const { token, email } = await somebody()
    const logins = [await service.logIn(email), await service.logIn(email)]

    const { status } = await change(token, { old_password: testPassword, new_password: newPassword })

    expect(status).toBe(204)
    expect(await logInStatus(email, testPassword)).toBe(401)
    expect(await logInStatus(email, newPassword)).toBe(200)
    for (const { refresh_token } of logins) {
      const { body } = await service.call('POST', '/api/auth/refresh', { body: { refresh_token } })
      expect(body.code).toBe('REFRESH_TOKEN_INVALID')
    }
  })

  test('asks for the old password', async () => {
    const { token, email } = await somebody()

    const { status, body } = await change(token, {
      old_password: 'not-it-at-all-9',
      new_password: newPassword,
    })

    expect(status).toBe(403)
    expect(body.code).toBe('PASSWORD_INVALID')
    expect(await logInStatus(email, testPassword)).toBe(200)
  })

  test('is one row of the audit trail, without the passwords', async () => {
    const { token, user } = await somebody()

    await change(token, { old_password: testPassword, new_password: newPassword })

    const rows = await service.db
      .selectFrom('audit_log')
      .selectAll()
      .where('actor_id', '=', user.id)
      .where('action', '=', 'user.password_changed')
      .execute()
    expect(rows).toMatchObject([{ entity_id: String(user.id), before: null, after: null }])
  })

  test.each([
    ['of 11 bytes', 'aV3ry-Good1', '/new_password'],
    ['of 129 bytes', `${'Jx9-'.repeat(32).slice(0, 127)}é`, '/new_password'],
    ['of 129 characters', 'aB3-'.repeat(33).slice(0, 129), '/new_password'],
    ['that is common', 'password1234', '/new_password'],
    ['that is one character again and again', 'aaaaaaaaaaaaaa', '/new_password'],
  ])('refuses a new one %s', async (_, new_password, path) => {
    const { token } = await somebody()

    const { status, body } = await change(token, { old_password: testPassword, new_password })

    expect(status).toBe(422)
    expect(body.errors).toMatchObject([{ path }])
    expect(JSON.stringify(body)).not.toContain(new_password)
  })

  test('takes new ones of 12 and of 128 bytes', async () => {
    const one = await somebody()
    const other = await somebody()
    const long = `${'Tz7-qW'.repeat(21)}é`

    const first = await change(one.token, { old_password: testPassword, new_password: 'zK8#vW2!pQ4m' })
    const second = await change(other.token, { old_password: testPassword, new_password: long })

    expect(Buffer.byteLength(long)).toBe(128)
    expect([first.status, second.status]).toEqual([204, 204])
  })
})

describe('a password token', () => {
  test('lets a user who was made over HTTP log in, and works once', async () => {
    const created = await service.call<{ id: number }>('POST', '/api/users', {
      token: admin,
      body: { first_name: 'Grace', email: 'grace@example.org' },
    })
    const { token } = await passwordToken(created.body.id)

    const first = await setPassword(token)
    const second = await setPassword(token, 'still-7-Other-words')

    expect(first.status).toBe(204)
    expect(await logInStatus('grace@example.org', newPassword)).toBe(200)
    expect(second.status).toBe(401)
    expect(second.body.code).toBe('PASSWORD_TOKEN_INVALID')
  })

  test('works once, however many use it at the same time', async () => {
    const { user } = await somebody()
    const { token } = await passwordToken(user.id)

    const answers = await Promise.all(
      [1, 2, 3].map((number) => setPassword(token, `${newPassword}-${number}`)),
    )

    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401, 401])
  })

  test('ends after 24 hours', async () => {
    const { user } = await somebody()
    const { token, expires_at } = await passwordToken(user.id)
    const lifeMs = Date.parse(expires_at) - Date.now()
    await service.db
      .updateTable('password_tokens')
      .set({ expires_at: new Date(Date.now() - 1) })
      .where('user_id', '=', user.id)
      .execute()

    const { body } = await setPassword(token)

    expect(Math.round(lifeMs / 60_000)).toBe(24 * 60)
    expect(body.code).toBe('PASSWORD_TOKEN_INVALID')
  })

  test('replaces the one before it', async () => {
    const { user } = await somebody()
    const [older, newest] = [await passwordToken(user.id), await passwordToken(user.id)]

    const refused = await setPassword(older.token)
    const accepted = await setPassword(newest.token)

    expect([refused.status, accepted.status]).toEqual([401, 204])
  })

  test('is in the database as a hash alone', async () => {
    const { user } = await somebody()
    const { token } = await passwordToken(user.id)

    const rows = await service.db
      .selectFrom('password_tokens')
      .select('token_hash')
      .where('user_id', '=', user.id)
      .execute()

    const hash = new Bun.CryptoHasher('sha256').update(token).digest('hex')
    expect(rows.map((row) => Buffer.from(row.token_hash).toString('hex'))).toEqual([hash])
  })

  test('can be used again after a password that was too weak', async () => {
    const { user } = await somebody()
    const { token } = await passwordToken(user.id)

    const weak = await setPassword(token, 'qwertyuiop12')
    const good = await setPassword(token)

    expect(weak.body.code).toBe('PASSWORD_TOO_WEAK')
    expect(good.status).toBe(204)
  })

  test('ends the logins of the user', async () => {
    const { user, email } = await somebody()
    const { refresh_token } = await service.logIn(email)
    const { token } = await passwordToken(user.id)

    await setPassword(token)

    const { body } = await service.call('POST', '/api/auth/refresh', { body: { refresh_token } })
    expect(body.code).toBe('REFRESH_TOKEN_INVALID')
  })

  test('is refused for a deactivated user, and one given before ends', async () => {
    const { user } = await somebody()
    const { token } = await passwordToken(user.id)
    await service.call('DELETE', `/api/users/${user.id}`, { token: admin })

    const again = await service.call('POST', `/api/users/${user.id}/password-token`, { token: admin })

    expect(again.status).toBe(409)
    expect(again.body.code).toBe('USER_DEACTIVATED')
    expect((await setPassword(token)).body.code).toBe('PASSWORD_TOKEN_INVALID')
  })

  test('is given by admins alone, and for known users', async () => {
    const { user } = await somebody()
    const manager = await service.signIn('manager')

    const refused = await service.call('POST', `/api/users/${user.id}/password-token`, {
      token: manager.token,
    })
    const unknown = await service.call('POST', '/api/users/999999/password-token', { token: admin })

    expect(refused.status).toBe(403)
    expect(unknown.body.code).toBe('USER_NOT_FOUND')
  })
})
