import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { User } from '../../../src/modules/users/schemas.ts'
import { createUser } from '../../../src/modules/users/users.ts'
import { createTestService } from '../../support/service.ts'

describe('what happens to users is published', () => {
  let service: Awaited<ReturnType<typeof createTestService>>
  let token: string
  let admin: User
  beforeAll(async () => {
    service = await createTestService()
    const signedIn = await service.signIn('admin')
    token = signedIn.token
    admin = signedIn.user
  })
  afterAll(() => service.close())

  const create = async (body: Record<string, unknown>, headers: Record<string, string> = {}) =>
    (await service.call<User>('POST', '/api/users', { body, token, headers })).body
  const eventsOf = async (id: number) =>
    (await service.events.inOutbox('user')).filter(({ partitionkey }) => partitionkey === `user/${id}`)

  test('creating one, with the names joined', async () => {
    const user = await create({ first_name: 'Ann', last_name: 'Lee', role: 'executor', telegram_id: 99 })

    const [event] = await eventsOf(user.id)
    expect(event).toMatchObject({
      type: 'user.created',
      dataversion: 2,
      source: 'example-service',
      data: { user_id: user.id, full_name: 'Ann Lee', role: 'executor', telegram_id: 99 },
    })
  })

  test('with the correlation id and the trace of the request', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

    const user = await create({ first_name: 'Ann' }, { 'x-correlation-id': 'from-afar', traceparent })

    const [event] = await eventsOf(user.id)
    expect(event).toMatchObject({ correlationid: 'from-afar', traceparent })
  })

  test('updating one names the changed fields, and shows neither e-mail nor phone', async () => {
    const user = await create({ first_name: 'Ann' })

    const body = { first_name: 'Anna', email: 'anna@example.com', phone: '+1 234' }
    await service.call('PATCH', `/api/users/${user.id}`, { body, token })

    const [, event] = await eventsOf(user.id)
    expect(event?.type).toBe('user.updated')
    expect(event?.data).toEqual({
      user_id: user.id,
      changed: ['first_name', 'email', 'phone'],
      first_name: 'Anna',
      updated_at: expect.any(String),
    })
  })

  test('verifying one says who did it, and once is enough', async () => {
    const user = await create({ first_name: 'Ann' })

    await service.call('POST', `/api/users/${user.id}/verify`, { token })
    await service.call('POST', `/api/users/${user.id}/verify`, { token })

    const [, ...verified] = await eventsOf(user.id)
    expect(verified.map(({ type, data }) => ({ type, data }))).toEqual([
      {
        type: 'user.verified',
        data: { user_id: user.id, verified_by: admin.id, verified_at: expect.any(String) },
      },
    ])
  })

  test('deactivating one is a change of it', async () => {
    const user = await create({ first_name: 'Ann' })

    await service.call('DELETE', `/api/users/${user.id}`, { token })

    const [, event] = await eventsOf(user.id)
    expect(event).toMatchObject({ type: 'user.updated', data: { changed: ['deactivated_at'] } })
  })

  test('a change that is refused publishes nothing', async () => {
    const user = await create({ first_name: 'Ann', telegram_id: 4711 })
    const before = (await service.events.inOutbox('user')).length

    const body = { first_name: 'Bob', telegram_id: 4711 }
    const refused = await service.call('POST', '/api/users', { body, token })

    expect(refused.status).toBe(409)
    expect(await service.events.inOutbox('user')).toHaveLength(before)
    expect(await eventsOf(user.id)).toHaveLength(1)
  })

  test('a change whose event cannot be written is not made, and is not in the audit trail', async () => {
    const publish = () => Promise.reject(new Error('no outbox'))
    const input = { first_name: 'Nobody', email: 'nobody@example.com' }

    const refused = createUser({ db: service.db, events: { publish } }, 'system', input)

    await expect(refused).rejects.toThrow('no outbox')
    const users = service.db.selectFrom('users').select('id').where('email', '=', input.email)
    expect(await users.execute()).toEqual([])
    const trail = service.db.selectFrom('audit_log').select('after').where('action', '=', 'user.created')
    expect(JSON.stringify(await trail.execute())).not.toContain(input.email)
  })
})
