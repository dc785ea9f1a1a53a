import { afterEach, expect, test } from 'bun:test'
import { sql } from 'kysely'
import { NotificationSend } from '../../../../shared/events/contracts/notification.ts'
import { RequestCreated } from '../../../../shared/events/contracts/request.ts'
import { HealthChecked } from '../../../../shared/events/contracts/system.ts'
import { UserCreated } from '../../../../shared/events/contracts/user.ts'
import { postgresInbox } from '../../../../shared/postgres/inbox.ts'
import { testEvents } from '../../../../shared/testing/test-events.ts'
import { buildRequest } from '../../../../tests/support/build-request.ts'
import { createSharedDatabase } from './support/shared-database.ts'

let events = testEvents()
afterEach(async () => {
  await events.close()
  events = testEvents()
})

const ada = { user_id: 7, full_name: 'Ada Lovelace', role: 'executor', metadata: {} } as const

test('a service test waits for what it published to be consumed', async () => {
  const welcomed: string[] = []
  events.subscribe(UserCreated, { name: 'welcome' }, ({ data }) => void welcomed.push(data.full_name))
  await events.start()

  await events.publish(UserCreated, ada)

  const [consumed] = await events.consumed('user.created')
  expect(consumed?.data.full_name).toBe('Ada Lovelace')
  expect(consumed?.subscription).toBe('welcome')
  expect(welcomed).toEqual(['Ada Lovelace'])
})

test('what a handler publishes is seen', async () => {
  events.subscribe(RequestCreated, { name: 'notify' }, async ({ data, id }) => {
    const parameters = { request_id: data.request_id }
    await events.publish(
      NotificationSend,
      {
        notification_id: 'n1',
        user_id: data.applicant_id,
        channel: 'email',
        template: 'created',
        parameters,
      },
      { causationId: id },
    )
  })
  await events.start()

  await events.publish(RequestCreated, buildRequest({ applicant_id: 3 }))
  await events.consumed('request.created')

  expect(events.published('notification.send').map(({ data }) => data.user_id)).toEqual([3])
})

test('a transactional handler is tested with a real database', async () => {
  const { db, close } = await createSharedDatabase()
  await sql`create table profiles (full_name text not null)`.execute(db)
  const events = testEvents({ inbox: postgresInbox(db) })
  events.subscribe(UserCreated, { name: 'profile', transactional: true }, ({ data }, { trx }) =>
    sql`insert into profiles values (${data.full_name})`.execute(trx),
  )
  await events.start()

  await events.publish(UserCreated, ada)
  await events.consumed('user.created')

  const { rows } = await sql`select full_name from profiles`.execute(db)
  expect(rows).toEqual([{ full_name: 'Ada Lovelace' }])
  await events.close()
  await close()
})

test('waiting in vain says what was consumed instead', async () => {
  events.subscribe(UserCreated, { name: 'welcome' }, () => {})
  await events.start()
  await events.publish(UserCreated, ada)
  await events.consumed('user.created')

  const waiting = events.consumed('user.verified', { timeoutMs: 20 })

  expect(waiting).rejects.toThrow('0 of 1 user.verified were consumed; so far: user.created by welcome')
})

test('the compiler refuses wrong payloads and wrong kinds of listening', () => {
  // @ts-expect-error full_name is missing
  const incomplete = () => events.publish(UserCreated, { user_id: 7, role: 'executor', metadata: {} })
  // @ts-expect-error the role does not exist
  const king = () => events.publish(UserCreated, { ...ada, role: 'king' })
  // @ts-expect-error a broadcast has no subscriptions
  const subscribed = () => events.subscribe(HealthChecked, { name: 'x' }, () => {})
  // @ts-expect-error a durable event is subscribed to
  const listened = () => events.listen(UserCreated, () => {})
  // @ts-expect-error a broadcast cannot be published many at a time
  const many = () => events.publishMany(HealthChecked, [])
  // @ts-expect-error version 2 has no first_name
  const wrongField = () => events.subscribe(UserCreated, { name: 'y' }, ({ data }) => data.first_name)
  // @ts-expect-error a typing mistake
  const mistyped = () => events.consumed('user.craeted')

  expect(incomplete()).rejects.toThrow('/full_name')
  expect(king()).rejects.toThrow('/role')
  expect(subscribed).toThrow('is a broadcast')
  expect(listened).toThrow('is durable')
  expect([many, wrongField, mistyped]).toHaveLength(3)
})

test('every problem of a subscription is reported at once', () => {
  const declare = () => events.subscribe([], { name: 'Bad Name', concurrency: 0, timeoutMs: -1 }, () => {})

  expect(declare).toThrow(/name is lower case.*names no event.*concurrency is.*timeoutMs is/)
})

test('a subscription is declared once, and before the start', async () => {
  events.subscribe(UserCreated, { name: 'welcome' }, () => {})
  expect(() => events.subscribe(UserCreated, { name: 'welcome' }, () => {})).toThrow('declared twice')

  await events.start()

  expect(() => events.subscribe(UserCreated, { name: 'late' }, () => {})).toThrow('subscribe before start')
})
