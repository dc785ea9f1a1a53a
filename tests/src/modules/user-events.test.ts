import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { EventNotSentError } from '@kiln/shared'
import { createLogger } from '@kiln/shared/observability'
import { createAnnounce } from '@kiln/shared/service'
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
    (await service.events.publishedTo('user')).filter(({ partitionkey }) => partitionkey === `user/${id}`)

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
    const before = (await service.events.publishedTo('user')).length

    const body = { first_name: 'Bob', telegram_id: 4711 }
    const refused = await service.call('POST', '/api/users', { body, token })

    expect(refused.status).toBe(409)
    expect(await service.events.publishedTo('user')).toHaveLength(before)
    expect(await eventsOf(user.id)).toHaveLength(1)
  })

  test('an event server that cannot be reached does not undo what is committed: it is logged', async () => {
    const lines: string[] = []
    const destination = { write: (line: string) => void lines.push(line) }
    const { logger } = createLogger({ service: 'test', level: 'info', format: 'json', destination })
    const publish = () => Promise.reject(new EventNotSentError(['1'], {}))

    const announce = createAnnounce({ publish }, logger)
    const user = await createUser({ db: service.db, announce }, 'system', { first_name: 'Ann' })

    expect((await service.call('GET', `/api/users/${user.id}`, { token })).status).toBe(200)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      event_type: 'user.created',
      err: { code: 'EVENT_NOT_SENT' },
    })
  })
})
