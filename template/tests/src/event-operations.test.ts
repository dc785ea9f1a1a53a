import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { eventually } from '@kiln/shared/testing'
import { buildRequest } from '../../../tests/support/build-request.ts'
import { createTestService } from '../../../tests/support/service.ts'

interface Letter {
  readonly id: string
  readonly type: string
  readonly error: string
  readonly failed_at: string
}
interface Replay {
  readonly id: string
  readonly status: string
  readonly total: number
  readonly done: number
}

const at = '/api/events/subscriptions/notify-dispatcher'

describe('operating events over HTTP', () => {
  let service: Awaited<ReturnType<typeof createTestService>>
  let admin: { token: string; user: { id: number } }
  beforeAll(async () => {
    service = await createTestService()
    admin = await service.signIn('admin')
  })
  afterAll(() => service.close())

  const get = <Body>(path: string) => service.call<Body>('GET', path, { token: admin.token })
  const post = <Body>(path: string, body?: unknown) =>
    service.call<Body>('POST', path, { token: admin.token, ...(body !== undefined && { body }) })
  const letters = async (query = '') =>
    (await get<{ items: Letter[]; next: string | null }>(`${at}/dead-letters${query}`)).body
  const trail = async (action: string) => {
    const { body } = await get<{ items: Record<string, unknown>[] }>('/api/audit?limit=100')
    return body.items.filter((item) => item.action === action)
  }
  const poison = async (count: number) => {
    const before = (await letters('?limit=100')).items.length
    const broken = Array.from({ length: count }, () => ['type', 'request.created', 'data', '{'])
    await service.events.transports.streams.append('request', broken)
    await eventually(async () => expect((await letters('?limit=100')).items).toHaveLength(before + count))
  }

  test('nobody but an admin', async () => {
    const manager = await service.signIn('manager')

    const without = await service.call('GET', '/api/events/subscriptions')
    const refused = await service.call('POST', `${at}/pause`, { token: manager.token })

    expect(without.status).toBe(401)
    expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } })
  })

  test('subscriptions are listed with how far they are behind', async () => {
    const { status, body } = await get('/api/events/subscriptions')

    expect(status).toBe(200)
    expect(body).toMatchObject({
      items: [{ subscription: 'notify-dispatcher', paused: false, lag: 0, pending: 0, parked: 0 }],
    })
  })

  test('a subscription is paused and resumed, and the trail says by whom', async () => {
    const paused = await post(`${at}/pause`)
    const listed = await get('/api/events/subscriptions')
    const resumed = await post(`${at}/resume`)

    expect(paused.body).toEqual({ subscription: 'notify-dispatcher', paused: true })
    expect(listed.body).toMatchObject({ items: [{ paused: true }] })
    expect(resumed.body).toEqual({ subscription: 'notify-dispatcher', paused: false })
    const [entry] = await trail('events.paused')
    expect(entry).toMatchObject({
      actor_type: 'user',
      actor_id: admin.user.id,
      entity: 'subscription',
      entity_id: 'notify-dispatcher',
      address: '192.0.2.1',
    })
    expect(await trail('events.resumed')).toHaveLength(1)
  })

  test('one that nobody declared is 404', async () => {
    for (const path of ['pause', 'resume']) {
      const answer = await post(`/api/events/subscriptions/nobody/${path}`)
      expect(answer).toMatchObject({ status: 404, body: { code: 'EVENT_UNKNOWN' } })
    }
    expect((await get('/api/events/subscriptions/nobody/dead-letters')).status).toBe(404)
  })

  test('dead letters are listed by page, filtered, and looked at', async () => {
    await poison(3)

    const first = await letters('?limit=2')
    const second = await letters(`?limit=2&after=${encodeURIComponent(first.next ?? '')}`)
    const [letter] = first.items
    const opened = await get(`${at}/dead-letters/${letter?.id}`)

    expect(first.items).toHaveLength(2)
    expect(second).toMatchObject({ items: [{ type: 'request.created' }], next: null })
    expect((await letters('?error=EVENT_UNDECODABLE')).items).toHaveLength(3)
    expect((await letters('?error=something-else')).items).toEqual([])
    expect((await letters('?type=request.assigned')).items).toEqual([])
    expect((await letters(`?to=${encodeURIComponent('2020-01-01T00:00:00Z')}`)).items).toEqual([])
    expect(opened.body).toMatchObject({ id: letter?.id, fields: { data: '{' }, stack: expect.any(String) })
    expect(await get(`${at}/dead-letters/request/1-1`)).toMatchObject({ status: 404 })
  })

  test('one is redriven by id, and comes back as broken as it was', async () => {
    await poison(1)
    const { items } = await letters('?limit=100')
    const id = items[0]?.id ?? ''

    const redriven = await post(`${at}/dead-letters/redrive`, { ids: [id] })
    const again = await post(`${at}/dead-letters/redrive`, { ids: [id] })

    expect(redriven).toMatchObject({ status: 200, body: { count: 1 } })
    expect(again.body).toEqual({ count: 0 })
    await eventually(async () => expect((await letters('?limit=100')).items).toHaveLength(items.length))
    const [entry] = await trail('events.dead_letters_redriven')
    expect(entry).toMatchObject({ actor_id: admin.user.id, after: { count: 1, letters: [id] } })
  })

  test('those of a filter are purged; all of them only when it is said', async () => {
    await poison(2)
    const total = (await letters('?limit=100')).items.length

    const nothing = await post(`${at}/dead-letters/purge`, {})
    const both = await post(`${at}/dead-letters/purge`, { all: true, type: 'request.created' })
    const some = await post(`${at}/dead-letters/purge`, { type: 'request.created', max_count: 1 })
    const rest = await post(`${at}/dead-letters/purge`, { all: true })

    expect([nothing.status, both.status]).toEqual([422, 422])
    expect(some.body).toEqual({ count: 1 })
    expect(rest.body).toEqual({ count: total - 1 })
    expect((await letters()).items).toEqual([])
    expect(await trail('events.dead_letters_purged')).toHaveLength(2)
  })

  test('past events are counted, then handled again, and the replay tells how far it is', async () => {
    const { events, publishedTo } = service.events
    await events.publishMany(
      RequestCreated,
      Array.from({ length: 3 }, () => buildRequest()),
    )
    await eventually(async () => expect(await publishedTo('notification')).toHaveLength(3))
    const asked = { subscription: 'notify-dispatcher', events: ['request.created'], last: 2 }

    const dry = await post<Replay>('/api/events/replays', { ...asked, dry_run: true })
    const started = await post<Replay>('/api/events/replays', { ...asked, per_second: 1000 })

    expect(dry).toMatchObject({ status: 200, body: { status: 'dry_run', total: 2 } })
    expect(started).toMatchObject({ status: 201, body: { status: 'running', total: 2, done: 0 } })
    await eventually(async () => {
      const { body } = await get(`/api/events/replays/${started.body.id}`)
      expect(body).toMatchObject({ status: 'done', done: 2 })
    })
    // Published again with the ids they had, so they are not sent again.
    expect(await publishedTo('notification')).toHaveLength(3)
    expect((await get('/api/events/replays')).body).toMatchObject({ items: [{ id: started.body.id }] })
    expect(await trail('events.replay_started')).toHaveLength(1)
  })

  test('a replay is cancelled once', async () => {
    const { events } = service.events
    await events.publishMany(
      RequestCreated,
      Array.from({ length: 3 }, () => buildRequest()),
    )
    const { body } = await post<Replay>('/api/events/replays', {
      subscription: 'notify-dispatcher',
      per_second: 1,
    })

    const first = await post<Replay>(`/api/events/replays/${body.id}/cancel`)
    const second = await post<Replay>(`/api/events/replays/${body.id}/cancel`)

    expect([first.body.status, second.body.status]).toEqual(['cancelled', 'cancelled'])
    expect(await trail('events.replay_cancelled')).toHaveLength(1)
    expect((await post('/api/events/replays/none/cancel')).status).toBe(404)
  })

  test('what cannot be replayed is refused with the reason', async () => {
    const unknown = await post('/api/events/replays', { subscription: 'nobody' })
    const event = await post('/api/events/replays', {
      subscription: 'notify-dispatcher',
      events: ['user.created'],
    })
    const name = await post('/api/events/replays', {
      subscription: 'notify-dispatcher',
      events: ['no.thing'],
    })

    expect(unknown).toMatchObject({ status: 422, body: { code: 'EVENT_SUBSCRIPTION_INVALID' } })
    expect(event.status).toBe(422)
    expect(name).toMatchObject({ status: 404, body: { code: 'EVENT_UNKNOWN' } })
  })
})
