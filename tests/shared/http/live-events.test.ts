import { afterEach, describe, expect, test } from 'bun:test'
import { contracts, createEvents, createLive, type LiveEvent, memoryTransports } from '@kiln/shared'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { HealthChecked } from '@kiln/shared/contracts/system'
import { UserUpdated } from '@kiln/shared/contracts/user'
import { createAuth, liveEventRoutes, problemErrors, requestContext, sharedProblems } from '@kiln/shared/http'
import { eventually } from '@kiln/shared/testing'
import { Elysia } from 'elysia'
import { buildRequest } from '../../support/build-request.ts'
import { readEventStream } from '../../support/event-stream.ts'

const quiet = () => {}
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
const roles = ['applicant', 'manager', 'admin'] as const
const now = '2026-01-01T00:00:00Z'
const updated = (user_id: number) => ({ user_id, changed: ['role'], updated_at: now })

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function liveApp({
  ttlSeconds = 60,
  ...options
}: {
  ttlSeconds?: number
  maxBufferBytes?: number
  heartbeatMs?: number
  maxClients?: number
} = {}) {
  const transports = memoryTransports()
  const events = createEvents({ service: 'live', transports, logger })
  const live = createLive({ transports, contracts, logger })
  const secret = 'k9Xw2vQp7RzLt4Ym8NcB3sHf6JdG1aEu5oPiVqWx0Z'
  const auth = createAuth({ secret, issuer: 'i', audience: 'a', ttlSeconds, roles })
  const app = new Elysia()
    .use(requestContext())
    .use(problemErrors({ problems: sharedProblems, report: quiet }))
    .use(liveEventRoutes({ auth, live, ...options }))
  cleanups.push(live.close)

  const ask = async (role: (typeof roles)[number], { userId = 1, headers = {}, query = '' } = {}) => {
    const authorization = `Bearer ${await auth.issueAccessToken({ userId, role })}`
    const url = `http://localhost/api/events/live${query}`
    return await app.handle(new Request(url, { headers: { authorization, ...headers } }))
  }
  const watch: (...args: Parameters<typeof ask>) => Promise<ReturnType<typeof readEventStream>> = async (
    ...args
  ) => {
    const stream = readEventStream(await ask(...args))
    cleanups.push(() => stream.close())
    await eventually(() => expect(stream.received.length).toBeGreaterThan(0))
    return stream
  }
  return { app, events, live, transports, ask, watch }
}

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

  test('without a token it is 401', async () => {
    const { app } = liveApp()

    expect((await app.handle(new Request('http://localhost/api/events/live'))).status).toBe(401)
  })

  test('it ends with the login', async () => {
    const { watch } = liveApp({ ttlSeconds: 1 })
    const stream = await watch('admin')

    await stream.done

    expect(stream.events()).toEqual([{ id: undefined, event: 'end', data: { reason: 'expired' } }])
  })

  test('it ends when the process does, and later clients are sent elsewhere', async () => {
    const { live, ask, watch } = liveApp()
    const stream = await watch('admin')

    await live.close()
    await stream.done
    const refused = await ask('admin')

    expect(stream.events()).toEqual([{ id: undefined, event: 'end', data: { reason: 'closing' } }])
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
  })

  test('silence is broken by heartbeats', async () => {
    const { ask } = liveApp({ heartbeatMs: 5 })
    const response = await ask('admin')
    const reader = response.body?.getReader()
    cleanups.push(async () => reader?.cancel())

    let text = ''
    while (!text.includes(': heartbeat\n\n: heartbeat\n\n')) {
      text += new TextDecoder().decode((await reader?.read())?.value)
    }

    expect(text).toContain('retry: 2000')
  })

  test('a client that does not read is cut off, and nobody else', async () => {
    const { events, live, ask, watch } = liveApp({ maxBufferBytes: 20_000 })
    const stalled = await ask('admin')
    const reading = await watch('admin')

    for (let sent = 0; live.watchers > 1; sent++) {
      await events.publish(UserUpdated, updated(1))
      await eventually(() => expect(reading.events()).toHaveLength(sent + 1))
    }

    expect(reading.ended()).toBe(false)
    expect((await new Response(stalled.body).text()).length).toBeLessThan(21_000)
  })

  test('a client that has left is forgotten, and the last one closes the tail', async () => {
    const { live, transports, watch } = liveApp()
    const opened: { closed: boolean }[] = []
    const { openTail } = transports
    transports.openTail = () => {
      const tail = openTail()
      const record = { closed: false }
      opened.push(record)
      return {
        read: tail.read,
        close: async () => {
          record.closed = true
          await tail.close()
        },
      }
    }
    const [one, other] = [await watch('admin'), await watch('admin')]

    await one.close()
    await other.close()

    await eventually(() => expect(opened).toEqual([{ closed: true }]))
    expect(live.watchers).toBe(0)
  })

  test('more clients than allowed are answered 503', async () => {
    const { ask, watch } = liveApp({ maxClients: 1 })
    await watch('admin')

    const answer = await ask('admin')

    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'SERVICE_BUSY' })
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
      { begin: quiet, send: (event) => shown.push(event), room: async () => {}, end: quiet },
      first?.id,
    )

    await eventually(() => expect(new Set(shown.map(({ text }) => text)).size).toBeGreaterThanOrEqual(399))
    const times = shown.map(({ id }) => Number.parseInt(id ?? '', 10))
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })
})
