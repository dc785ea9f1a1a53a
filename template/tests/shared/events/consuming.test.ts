import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { type OpenOptions, openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('a subscription on Redis', () => {
  let redis: RedisServer
  let count = 0
  const ends: (() => Promise<void>)[] = []

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  afterAll(() => redis.stop())

  async function open(options: OpenOptions = {}) {
    const opened = await openEvents(redis, { prefix: `consuming-${++count}`, ...options })
    ends.push(opened.end)
    return opened
  }

  async function callsOf(command: string): Promise<number> {
    const stats = await redis.client.info('commandstats')
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  }

  test('acknowledgements do not wait for a slow handler', async () => {
    const { events } = await open()
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    events.subscribe(ThingMade, { name: 'sub', concurrency: 2 }, ({ data }) =>
      data.n === 0 ? held : undefined,
    )
    await events.start()

    await events.publishMany(
      ThingMade,
      Array.from({ length: 500 }, (_, n) => ({ n, of: 'a' })),
    )

    await eventually(async () => expect((await events.health())[0]).toMatchObject({ lag: 0, pending: 1 }))
    release()
    await eventually(async () => expect((await events.health())[0]?.pending).toBe(0))
  })

  test('acknowledgements travel together', async () => {
    const { events } = await open()
    let handled = 0
    events.subscribe(ThingMade, { name: 'sub' }, () => void handled++)
    await events.start()
    await redis.client.config('RESETSTAT')

    await events.publishMany(
      ThingMade,
      Array.from({ length: 5000 }, (_, n) => ({ n, of: 'a' })),
    )

    await eventually(async () => expect((await events.health())[0]).toMatchObject({ lag: 0, pending: 0 }))
    expect(handled).toBe(5000)
    expect(await callsOf('xack')).toBeLessThan(500)
  })

  test('a slow handler is given no more than it can finish soon', async () => {
    const { events } = await open()
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    events.subscribe(ThingMade, { name: 'sub', concurrency: 1 }, () => held)
    await events.start()

    await events.publishMany(
      ThingMade,
      Array.from({ length: 1000 }, (_, n) => ({ n, of: 'a' })),
    )

    await eventually(async () => expect((await events.health())[0]?.pending).toBeGreaterThan(0))
    expect((await events.health())[0]?.pending).toBeLessThan(200)
    await events.close(1)
    release()
  })

  test('large entries are read few at a time', async () => {
    const { events } = await open({ maxReadBytes: 1_000_000, maxEntryBytes: 256_000 })
    let handled = 0
    events.subscribe(ThingMade, { name: 'sub', from: 'beginning' }, () => void handled++)
    const large = { n: 1, of: 'x'.repeat(100_000) }
    for (let i = 0; i < 5; i++) await events.publishMany(ThingMade, Array(8).fill(large))
    await redis.client.config('RESETSTAT')

    await events.start()

    await eventually(() => expect(handled).toBe(40))
    expect(await callsOf('xreadgroup')).toBeGreaterThanOrEqual(5)
  })
})
