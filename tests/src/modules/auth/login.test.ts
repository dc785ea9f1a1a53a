import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createPasswordHasher, type PasswordHasher } from '@kiln/shared/security'
import { logIn as logInWith } from '../../../../src/modules/auth/logins.ts'
import { createTestService, type TestService, testPassword } from '../../../support/service.ts'

const real = createPasswordHasher()
const checked: (string | null)[] = []
const counting: PasswordHasher = {
  hash: real.hash,
  verify(password, hash) {
    checked.push(hash)
    return real.verify(password, hash)
  },
}

let service: TestService
beforeAll(async () => {
  service = await createTestService({}, { passwords: counting })
  await service.signUp('executor', 'ada@example.org')
})
afterAll(() => service.close())

const logIn = (email: string, password = testPassword) =>
  service.call('POST', '/api/auth/login', { body: { email, password } })

describe('a login', () => {
  test('gives an access token, a refresh token and the life of the first', async () => {
    const { status, body } = await logIn('ada@example.org')

    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.stringMatching(/^[\w-]{43}$/),
      token_type: 'Bearer',
      expires_in: 900,
    })
  })

  test('takes the e-mail in any case', async () => {
    const { status } = await logIn('ADA@Example.ORG')

    expect(status).toBe(200)
  })

  test('gives an access token that says who, what for and until when', async () => {
    const { user } = await service.signUp('manager', 'claims@example.org')
    const before = Math.floor(Date.now() / 1000)

    const { access_token } = await service.logIn('claims@example.org')
    const [header = '', claims = ''] = access_token.split('.')

    expect(JSON.parse(atob(header))).toEqual({
      alg: 'HS256',
      typ: 'JWT',
      kid: expect.stringMatching(/^[\w-]{16}$/),
    })
    const { iat, exp, ...rest } = JSON.parse(Buffer.from(claims, 'base64url').toString())
    expect(rest).toEqual({
      sub: String(user.id),
      role: 'manager',
      iss: 'example-service',
      aud: 'example-service',
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
      sid: expect.stringMatching(/^[\da-f-]{36}$/),
      ver: 0,
    })
    expect(exp - iat).toBe(900)
    expect(iat).toBeGreaterThanOrEqual(before)
  })

  test('leaves the refresh token in the database as a hash alone', async () => {
    const { refresh_token } = await service.logIn('ada@example.org')

    const rows = await service.db.selectFrom('refresh_tokens').selectAll().execute()

    const hash = new Bun.CryptoHasher('sha256').update(refresh_token).digest('hex')
    expect(rows.map((row) => Buffer.from(row.token_hash).toString('hex'))).toContain(hash)
    expect(JSON.stringify(rows)).not.toContain(refresh_token)
  })

  test('removes the tokens of the user that have expired', async () => {
    const { user } = await service.signUp('applicant', 'tidy@example.org')
    await service.logIn('tidy@example.org')
    await service.db
      .updateTable('refresh_tokens')
      .set({ expires_at: new Date(0) })
      .where('user_id', '=', user.id)
      .execute()

    await service.logIn('tidy@example.org')

    const rows = await service.db
      .selectFrom('refresh_tokens')
      .where('user_id', '=', user.id)
      .selectAll()
      .execute()
    expect(rows).toHaveLength(1)
  })
})

describe('the same answer is given', () => {
  const refused = { status: 401, code: 'CREDENTIALS_INVALID', detail: 'The e-mail or the password is wrong' }

  test('to a wrong password', async () => {
    const { body } = await logIn('ada@example.org', 'wrong-password-here')

    expect(body).toMatchObject(refused)
  })

  test('to an unknown e-mail', async () => {
    const { body } = await logIn('nobody@example.org')

    expect(body).toMatchObject(refused)
  })

  test('to a deactivated user', async () => {
    const { user } = await service.signUp('applicant', 'gone@example.org')
    const admin = await service.signIn('admin')
    await service.call('DELETE', `/api/users/${user.id}`, { token: admin.token })

    const { body } = await logIn('gone@example.org')

    expect(body).toMatchObject(refused)
  })

  test('to a user without a password', async () => {
    await service.signIn('applicant', { email: 'invited@example.org' })

    const { body } = await logIn('invited@example.org')

    expect(body).toMatchObject(refused)
  })

  test('to an e-mail with the wildcards of a pattern', async () => {
    const { body } = await logIn('ad_@example.%')

    expect(body).toMatchObject(refused)
  })
})

test('an unknown e-mail costs the same check as a known one', async () => {
  checked.length = 0

  await logIn('ada@example.org', 'wrong-password-here')
  await logIn('nobody@example.org', 'wrong-password-here')

  expect(checked).toEqual([expect.stringMatching(/^scrypt\$16384\$8\$5\$/), null])
})

test('a password that changed while it was being checked lets nobody in', async () => {
  const { user } = await service.signUp('applicant', 'racing@example.org')
  const slow: PasswordHasher = {
    hash: real.hash,
    async verify(password, hash) {
      await service.db
        .updateTable('users')
        .set({ password_hash: 'scrypt$16384$8$5$AAAA$AAAA' })
        .where('id', '=', user.id)
        .execute()
      return await real.verify(password, hash)
    },
  }
  const dependencies = { db: service.db, auth: service.auth, passwords: slow, refreshTokenTtlSeconds: 60 }

  const attempt = logInWith(dependencies, { email: 'racing@example.org', password: testPassword })

  await expect(attempt).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' })
})
