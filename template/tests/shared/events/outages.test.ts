import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Connect, RedisClient } from '../../../../shared/index.ts'
import { ThingMade, ThingShouted } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { type OpenOptions, openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('an outage of Redis', () => {
  const made = (n: number) => ({ n, of: 'wood' })
  const ends: (() => Promise<void>)[] = []

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function open(
    options: OpenOptions,
  ): Promise<{ redis: RedisServer } & Awaited<ReturnType<typeof openEvents>>> {
    const redis = await startRedis()
    ends.push(redis.stop)
    const opened = await openEvents(redis, options)
    ends.push(opened.end)
    return { redis, ...opened }
  }

  async function codeOf(publishing: Promise<unknown>): Promise<string> {
    return publishing.then(
      () => 'arrived',
      (error: { code: string }) => error.code,
    )
  }

  test('publishing while Redis is down is refused as not sent, within its timeout', async () => {
    const { redis, events } = await open({ timeoutMs: 300 })
    await redis.kill()
    await eventually(async () =>
      expect(await codeOf(events.publish(ThingMade, made(1)))).toBe('EVENT_NOT_SENT'),
    )

    const startedAt = performance.now()
    const code = await codeOf(events.publish(ThingMade, made(2)))

    expect(code).toBe('EVENT_NOT_SENT')
    expect(performance.now() - startedAt).toBeLessThan(1000)
  })

  test('publishing to a frozen Redis is not confirmed, within its timeout, and the ids are known', async () => {
    const { redis, events } = await open({ timeoutMs: 300 })
    redis.signal('SIGSTOP')

    const error = await events.publish(ThingMade, made(1), { id: 'mine' }).catch((error: unknown) => error)

    redis.signal('SIGCONT')
    expect(error).toMatchObject({ code: 'EVENT_NOT_CONFIRMED', ids: ['mine'] })
  })

  test('a process closes while its reading connection waits to be made again', async () => {
    const redis = await startRedis()
    ends.push(redis.stop)
    let reading: RedisClient | undefined
    const connect: Connect = (purpose, options) => {
      if (purpose !== 'read') return redis.connect(purpose, options)
      reading = redis.connect(purpose, { ...options, retryStrategy: () => 60_000 })
      return reading
    }
    const { events, end } = await openEvents(redis, { connect })
    ends.push(end)
    events.subscribe(ThingMade, { name: 'sub' }, () => {})
    await events.start()
    await redis.kill()
    await eventually(() => expect(reading?.status).toBe('reconnecting'))

    const open = await events.close(500)

    expect(open).toEqual([])
  })

  test('a command that Redis refuses was not sent', async () => {
    const { redis, events } = await open({})
    await redis.client.set('events:{thing}', 'not a stream')

    const error = await events.publish(ThingMade, made(1)).catch((error: unknown) => error)

    expect(error).toMatchObject({ code: 'EVENT_NOT_SENT' })
  })

  test('a frozen server delays events and loses none', async () => {
    const { redis, events } = await open({ blockMs: 100, timeoutMs: 500 })
    const seen = new Set<number>()
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.add(data.n))
    await events.start()
    await events.publish(ThingMade, made(1))
    await eventually(() => expect(seen.size).toBe(1))

    redis.signal('SIGSTOP')
    expect(await codeOf(events.publish(ThingMade, made(2)))).toBe('EVENT_NOT_CONFIRMED')
    await new Promise((resolve) => setTimeout(resolve, 2500))
    redis.signal('SIGCONT')
    await eventually(async () => expect(await codeOf(events.publish(ThingMade, made(3)))).toBe('arrived'))

    await eventually(() => expect(seen.has(3)).toBe(true))
    await eventually(async () => expect((await events.health())[0]?.pending).toBe(0))
  })

  test('Redis killed and started again: every confirmed event is handled', async () => {
    const { redis, events } = await open({ timeoutMs: 300 })
    const seen = new Set<number>()
    events.subscribe(ThingMade, { name: 'sub', concurrency: 4 }, async ({ data }) => {
      await new Promise((resolve) => setTimeout(resolve, 2))
      seen.add(data.n)
    })
    await events.start()
    const confirmed: number[] = []
    const publish = async (n: number) => {
      if ((await codeOf(events.publish(ThingMade, made(n)))) === 'arrived') confirmed.push(n)
    }

    for (let n = 0; n < 300; n++) {
      if (n === 150) await redis.kill()
      if (n === 155) await redis.restart()
      await publish(n)
    }

    expect(confirmed.length).toBeGreaterThan(200)
    await eventually(() => expect(confirmed.filter((n) => !seen.has(n))).toEqual([]))
  })

  test('every connection killed, again and again: every event is handled and nothing stays pending', async () => {
    const { redis, events } = await open({})
    const seen = new Set<number>()
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.add(data.n))
    await events.start()

    for (let n = 0; n < 100; n++) {
      if (n % 20 === 10) await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await eventually(async () => expect(await codeOf(events.publish(ThingMade, made(n)))).toBe('arrived'))
    }

    await eventually(() => expect(seen.size).toBe(100))
    await eventually(async () => expect((await events.health())[0]?.pending).toBe(0))
  })

  test('a listener hears broadcasts again after its connection broke', async () => {
    const { redis, events } = await open({})
    const heard: string[] = []
    events.listen(ThingShouted, ({ data }) => void heard.push(data.words))
    await events.start()

    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')

    await eventually(async () => {
      await events.publish(ThingShouted, { words: 'again' })
      expect(heard.length).toBeGreaterThan(0)
    })
  })
})
