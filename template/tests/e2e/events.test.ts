import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { findRedisBinary, startRedis } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { buildRequest } from '../../../tests/support/build-request.ts'
import { startService } from '../../../tests/support/process.ts'
import { hasRedis } from '../../../tests/support/redis.ts'
import { readEventStream } from '../support/event-stream.ts'
import { startOtherService } from '../support/other-service.ts'
import { startWithAdmin } from '../support/start-with-admin.ts'

setDefaultTimeout(60_000)

describe.skipIf(!hasRedis)('events of the running service', () => {
  let service: Awaited<ReturnType<typeof startWithAdmin>>
  beforeAll(async () => {
    service = await startWithAdmin()
    await service.relayed()
  })
  afterAll(async () => {
    await service.other.close()
    await service.close()
  })

  test('a request comes in, a notification goes out, under one correlation id and trace', async () => {
    const { events, publishedTo } = service.other
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

    await events.publish(RequestCreated, buildRequest(), {
      id: 'r1',
      correlationId: 'from-afar',
      traceparent,
    })

    const [notification] = await eventually(async () => {
      const found = await publishedTo('notification')
      expect(found).toHaveLength(1)
      return found
    })
    expect(notification).toMatchObject({
      source: 'example-service',
      type: 'notification.send',
      correlationid: 'from-afar',
      causationid: 'r1',
      traceparent,
    })
  })

  test('health tells the state of the event client', async () => {
    const health = await (await fetch(`${service.url}/health`)).json()

    expect(health).toMatchObject({
      status: 'up',
      events: {
        status: 'up',
        transport: 'redis',
        connections: 4,
        dead_letters: 0,
        subscriptions: [{ subscription: 'notify-dispatcher', paused: false }],
      },
    })
  })

  test('metrics tell what was published and how far subscriptions are behind', async () => {
    const text = await (await fetch(`${service.url}/metrics`)).text()

    expect(text).toContain('messaging_client_sent_messages_total{event_type="notification.send"')
    expect(text).toContain('event_subscription_lag{stream="request",subscription="notify-dispatcher"} 0')
  })

  test('users are shown live, and who comes back is shown what was missed', async () => {
    const watch = (headers: Record<string, string> = {}) =>
      service.call('GET', '/api/events/live?types=user.created', undefined, headers)
    const first = readEventStream(await watch())
    await eventually(() => expect(first.received).toHaveLength(1))

    await service.call('POST', '/api/users', { first_name: 'Ann' })
    await eventually(() => expect(first.events()).toHaveLength(1))
    const seen = first.events()[0]?.id ?? ''
    await first.close()
    await service.call('POST', '/api/users', { first_name: 'Bob' })
    const second = readEventStream(await watch({ 'last-event-id': seen }))
    await service.call('POST', '/api/users', { first_name: 'Cid' })

    await eventually(() => expect(second.events()).toHaveLength(2))
    const names = second.events().map(({ event, data }) => [event, (data as { data: unknown }).data])
    expect(names).toMatchObject([
      ['user.created', { full_name: 'Bob' }],
      ['user.created', { full_name: 'Cid' }],
    ])
    await second.close()
  })
})

describe.skipIf(!hasRedis)('two processes of one service', () => {
  const closing: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'share the work and lose nothing when one gets %s',
    async (signal) => {
      const first = await startService({ SERVICE_EVENTS_KEEP_ALIVE_MS: '300' })
      closing.push(first.close)
      const prefix = first.env.SERVICE_EVENTS_PREFIX ?? ''
      const second = await startService({ ...first.env, SERVICE_PORT: '0' })
      closing.push(second.close)
      const other = await startOtherService(prefix)
      closing.push(other.close)
      const notified = async () => new Set((await other.publishedTo('notification')).map(({ id }) => id))

      const publishing = (async () => {
        for (let from = 0; from < 1000; from += 100) {
          const batch = Array.from({ length: 100 }, (_, at) => buildRequest({ request_id: `${from + at}` }))
          await other.events.publishMany(RequestCreated, batch, { idOf: ({ request_id }) => request_id })
        }
      })()
      await eventually(async () => expect((await notified()).size).toBeGreaterThan(100))
      first.signal(signal)
      await publishing

      await eventually(async () => expect((await notified()).size).toBe(1000), { timeoutMs: 30_000 })
      const outcome = await first.ended
      if (signal === 'SIGTERM') expect(outcome.exitCode).toBe(0)
      const [health] = await eventually(async () => {
        const lag = await second.command(['events', 'lag', '--json'])
        const found = JSON.parse(lag.stdout) as { pending: number; dead_letters: number }[]
        expect(found).toMatchObject([{ pending: 0, lag: 0 }])
        return found
      })
      expect(health?.dead_letters).toBe(0)
    },
  )

  test('a process of consumers serves only its probes', async () => {
    const service = await startService({}, ['serve', '--migrate', '--roles', 'consumers'])
    closing.push(service.close)

    const ready = await fetch(`${service.url}/ready`)
    const api = await fetch(`${service.url}/api/my-endpoint`)

    expect([ready.status, api.status]).toEqual([200, 404])
  })

  test('a process of HTTP alone consumes nothing', async () => {
    const service = await startService({}, ['serve', '--migrate', '--roles', 'http'])
    closing.push(service.close)
    const health = await (await fetch(`${service.url}/health`)).json()

    expect(health).toMatchObject({ events: { status: 'up', connections: 3, subscriptions: [] } })
  })
})

describe.skipIf(!hasRedis)('stopping', () => {
  test('does not wait for those who watch: they are told to come back elsewhere', async () => {
    const service = await startWithAdmin()
    const stream = readEventStream(await service.call('GET', '/api/events/live?types=user.created'))
    await eventually(() => expect(stream.received).toHaveLength(1))

    service.signal('SIGTERM')
    const { exitCode } = await service.ended
    await stream.done

    expect(exitCode).toBe(0)
    expect(stream.events()).toMatchObject([{ event: 'end', data: { reason: 'closing' } }])
    await service.other.close()
    await service.close()
  })
})

const binary = findRedisBinary() ?? ''

describe.skipIf(!binary)('Redis that is gone', () => {
  test('does not fail a committed request; back again and empty, no event is missed', async () => {
    const redis = await startRedis({ server: { binary } })
    const service = await startWithAdmin({ SERVICE_REDIS_URL: redis.url, SERVICE_REDIS_TIMEOUT_MS: '1000' })

    process.kill(redis.pid, 'SIGKILL')
    await eventually(async () => {
      const health = await fetch(`${service.url}/health`)
      expect(health.status).toBe(200)
      expect(await health.json()).toMatchObject({ status: 'degraded', events: { status: 'down' } })
    })
    const created = await service.call('POST', '/api/users', { first_name: 'Ann' })
    const operations = await service.call('GET', '/api/events/subscriptions')
    const live = await service.call('GET', '/api/events/live')
    await redis.restart()
    await eventually(async () => {
      const health = await (await fetch(`${service.url}/health`)).json()
      expect(health).toMatchObject({ status: 'up', events: { status: 'up' } })
    })
    const again = await startOtherService(service.prefix, redis.url)
    await again.events.publish(RequestCreated, buildRequest())

    await eventually(async () => expect(await again.publishedTo('notification')).toHaveLength(1))
    await eventually(async () => expect(await again.publishedTo('user')).not.toBeEmpty())
    expect(created.status).toBe(201)
    expect([operations.status, live.status]).toEqual([503, 503])
    expect(await operations.json()).toMatchObject({ code: 'EVENTS_UNAVAILABLE' })
    await again.close()
    await service.other.close()
    await service.close()
    await redis.stop()
  })
})
