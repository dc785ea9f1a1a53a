import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { User } from '../../../../src/modules/users/schemas.ts'
import { createTestService, type TestService } from '../../../support/service.ts'

let service: TestService
let admin: { user: User; token: string }
beforeAll(async () => {
  service = await createTestService()
  admin = await service.signIn('admin')
})
afterAll(() => service.close())

const create = (body: Record<string, unknown>, token = admin.token) =>
  service.call<User>('POST', '/api/users', { token, body })
const update = (id: number, body: Record<string, unknown>, token = admin.token) =>
  service.call<User>('PATCH', `/api/users/${id}`, { token, body })

describe('creating a user', () => {
  test('answers with the user and where it is', async () => {
    const { status, headers, body } = await create({
      first_name: 'Ada',
      last_name: 'Lovelace',
      email: 'ada@example.org',
      phone: '+44 20 7946 0000',
      telegram_id: 1815,
      role: 'executor',
    })

    expect(status).toBe(201)
    expect(headers.get('location')).toBe(`/api/users/${body.id}`)
    expect(body).toEqual({
      id: expect.any(Number),
      telegram_id: 1815,
      first_name: 'Ada',
      last_name: 'Lovelace',
      email: 'ada@example.org',
      phone: '+44 20 7946 0000',
      role: 'executor',
      verified_at: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/),
      updated_at: expect.any(String),
      deactivated_at: null,
    })
    expect((await service.call('GET', `/api/users/${body.id}`, { token: admin.token })).body).toEqual({
      ...body,
    })
  })

  test('needs a first name alone', async () => {
    const { status, body } = await create({ first_name: 'Bo' })

    expect(status).toBe(201)
    expect(body).toMatchObject({
      role: 'applicant',
      email: null,
      phone: null,
      telegram_id: null,
      last_name: null,
    })
  })

  test.each([
    ['id', 1],
    ['verified_at', '2020-01-01T00:00:00Z'],
    ['created_at', '2020-01-01T00:00:00Z'],
    ['deactivated_at', null],
    ['password_hash', 'scrypt$1$1$1$$'],
    ['password', 'plum-42-harbour-lantern'],
  ])('refuses to be told the %s, as does an update', async (field, value) => {
    const { user } = await service.signIn('applicant')

    const created = await create({ first_name: 'Mallory', [field]: value })
    const updated = await update(user.id, { first_name: 'Mallory', [field]: value })

    for (const { status, body } of [created, updated]) {
      expect(status).toBe(422)
      expect(body).toMatchObject({ errors: [{ path: `/${field}` }] })
    }
  })

  test('stores SQL as the text that it is', async () => {
    const text = `Robert'); drop table users;-- $1 "x" \\`
    const email = `o'--"@example.org`

    const { body } = await create({ first_name: text, last_name: text, email })
    const renamed = await update(body.id, { first_name: `' or '1'='1`, last_name: text })

    expect(body).toMatchObject({ first_name: text, last_name: text, email })
    expect(renamed.body).toMatchObject({ first_name: `' or '1'='1`, last_name: text })
    const { status } = await service.call('POST', '/api/auth/login', {
      body: { email: `' or 1=1--`, password: text },
    })
    expect(status).toBe(401)
  })

  test('keeps texts of every script and emoji as they are', async () => {
    const first_name = 'Zoë 李 😀 ‏עברית'

    const { body } = await create({ first_name })

    expect(body.first_name).toBe(first_name)
  })
})

describe('updating a user', () => {
  test('changes what it names and nothing else', async () => {
    const { body: before } = await create({ first_name: 'Ada', last_name: 'Byron', phone: '12345' })

    const { status, body } = await update(before.id, { last_name: 'Lovelace', phone: null })

    expect(status).toBe(200)
    expect(body).toEqual({ ...before, last_name: 'Lovelace', phone: null, updated_at: body.updated_at })
    expect(Date.parse(body.updated_at)).toBeGreaterThanOrEqual(Date.parse(before.updated_at))
  })

  test('keeps an e-mail unique in any case, but may change the case of one’s own', async () => {
    await create({ first_name: 'Ada', email: 'first@example.org' })
    const { body } = await create({ first_name: 'Eve', email: 'second@example.org' })

    const taken = await update(body.id, { email: 'FIRST@example.org' })
    const own = await update(body.id, { email: 'Second@Example.org' })

    expect(taken.status).toBe(409)
    expect(taken.body).toMatchObject({ code: 'EMAIL_TAKEN' })
    expect(own.body.email).toBe('Second@Example.org')
  })
})

describe('verifying a user', () => {
  test('is done once, also when it is asked for twice', async () => {
    const { body: user } = await create({ first_name: 'Ada' })
    const verify = () => service.call<User>('POST', `/api/users/${user.id}/verify`, { token: admin.token })

    const first = await verify()
    const second = await verify()

    expect(first.body.verified_at).not.toBeNull()
    expect(second.status).toBe(200)
    expect(second.body).toEqual(first.body)
  })
})

describe('deactivating a user', () => {
  test('ends its logins, and nothing is changed afterwards', async () => {
    const { user } = await service.signUp('applicant', 'leaving@example.org')
    const { refresh_token } = await service.logIn('leaving@example.org')

    const { status, body } = await service.call<User>('DELETE', `/api/users/${user.id}`, {
      token: admin.token,
    })

    expect(status).toBe(200)
    expect(body.deactivated_at).not.toBeNull()
    const refreshed = await service.call('POST', '/api/auth/refresh', { body: { refresh_token } })
    expect(refreshed.status).toBe(401)
    expect((await update(user.id, { first_name: 'Changed' })).body).toMatchObject({
      code: 'USER_DEACTIVATED',
    })
    const verified = await service.call('POST', `/api/users/${user.id}/verify`, { token: admin.token })
    expect(verified.status).toBe(409)
  })

  test('is done once, also when it is asked for twice', async () => {
    const { user } = await service.signIn('applicant')
    const deactivate = () => service.call('DELETE', `/api/users/${user.id}`, { token: admin.token })

    const [first, second] = [await deactivate(), await deactivate()]

    expect(second.body).toEqual(first.body)
  })

  test('is not for oneself', async () => {
    const { status, body } = await service.call('DELETE', `/api/users/${admin.user.id}`, {
      token: admin.token,
    })

    expect(status).toBe(409)
    expect(body.code).toBe('CANNOT_DEACTIVATE_SELF')
  })
})
