import { describe, expect, test } from 'bun:test'
import type { LiveEvent } from '@kiln/shared'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { HealthChecked } from '@kiln/shared/contracts/system'
import { UserUpdated } from '@kiln/shared/contracts/user'
import { eventually } from '@kiln/shared/testing'
import { buildRequest } from '../../../../tests/support/build-request.ts'
import { testLiveApps } from './support/test-live-apps.ts'

const now = '2026-01-01T00:00:00Z'
const updated = (user_id: number) => ({ user_id, changed: ['role'], updated_at: now })
const liveApp = testLiveApps()

describe('live events', () => {
  test('an admin sees durable events as they happen, with the id of their entry', async () => {
    const { events, watch } = liveApp()
    const stream = await watch('admin')

    const { id, entryId } = await events.publish(UserUpdated, updated(5))

    await eventually(() => expect(stream.events()).toHaveLength(1))
    expect(stream.events()[0]).toMatchObject({
      id: entryId,
      event: 'user.updated',
      data: { specversion: '1.0', id, type: 'user.updated', data: { user_id: 5 } },
    })
  })

  test('broadcasts are among them, without an id', async () => {
    const { events, watch } = liveApp()
    const stream = await watch('admin')

    await events.publish(HealthChecked, { service: 's', instance: 'i', status: 'healthy', checked_at: now })

    await eventually(() => expect(stream.events()).toHaveLength(1))
    expect(stream.events()[0]).toMatchObject({ id: undefined, event: 'system.health_check' })
  })

  test('everybody sees only what the contract lets them see', async () => {
    const { events, watch } = liveApp()
    const own = await watch('applicant', { userId: 7 })
    const manager = await watch('manager', { userId: 8 })
    const admin = await watch('admin', { userId: 9 })

    await events.publish(UserUpdated, updated(7))
    await events.publish(UserUpdated, updated(1))
    await events.publish(RequestCreated, buildRequest({ applicant_id: 7 }))

    await eventually(() => expect(admin.events()).toHaveLength(3))
    expect(own.events().map(({ event }) => event)).toEqual(['user.updated', 'request.created'])
    expect(manager.events().map(({ event }) => event)).toEqual(['request.created'])
  })

  test('types narrow it down', async () => {
    const { events, watch } = liveApp()
    const stream = await watch('admin', { query: '?types=request.created,user.verified' })

    await events.publish(UserUpdated, updated(1))
    await events.publish(RequestCreated, buildRequest())

    await eventually(() => expect(stream.events().map(({ event }) => event)).toEqual(['request.created']))
  })

  test('a client that comes back is shown what it missed, in order, each once', async () => {
    const { events, watch } = liveApp()
    const published = await events.publishMany(
      UserUpdated,
      Array.from({ length: 450 }, () => updated(1)),
    )
    const seen = published[99]?.entryId ?? ''

    const stream = await watch('admin', { headers: { 'last-event-id': seen } })
    const later = await events.publish(UserUpdated, updated(2))

    await eventually(() => expect(stream.events().at(-1)?.id).toBe(later.entryId))
    const ids = [...published.slice(100), later].map(({ entryId }) => entryId)
    expect(stream.events().map(({ id }) => id)).toEqual(ids)
  })

  test('what happened in other streams meanwhile is among it', async () => {
    const { events, watch } = liveApp()
    const { entryId = '' } = await events.publish(UserUpdated, updated(1))
    await events.publish(RequestCreated, buildRequest())

    const stream = await watch('admin', { headers: { 'last-event-id': entryId } })

    await eventually(() => expect(stream.events().map(({ event }) => event)).toContain('request.created'))
  })

  test('the first words are an id, so that a client cut off before its first event misses nothing', async () => {
    const { events, watch } = liveApp()
    const { entryId } = await events.publish(UserUpdated, updated(1))

    const stream = await watch('admin')

    expect(stream.received[0]?.id).toBe(entryId)
  })

  test('an id that is none is refused', async () => {
    const { ask } = liveApp()

    const answer = await ask('admin', { headers: { 'last-event-id': 'x' } })

    expect(answer.status).toBe(422)
    expect(await answer.json()).toMatchObject({ errors: [{ path: '/last-event-id' }] })
  })
})

describe('the past of several streams', () => {
  test('is passed on by id, however the pages fall', async () => {
    const { events, live, transports } = liveApp()
    for (let round = 0; round < 300; round++) {
      await events.publish(UserUpdated, updated(1))
      if (round % 3 === 0) await events.publish(RequestCreated, buildRequest())
    }
    const [first] = await transports.streams.range('user', '0-0', 1)
    const shown: LiveEvent[] = []

    await live.watch(
      { begin() {}, send: (event) => shown.push(event), room: async () => {}, end() {} },
      first?.id,
    )

    await eventually(() => expect(new Set(shown.map(({ text }) => text)).size).toBeGreaterThanOrEqual(399))
    const times = shown.map(({ id }) => Number.parseInt(id ?? '', 10))
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })
})
