import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { enforceRetention, type RetentionOptions } from '../../../../shared/events/redis/retention.ts'
import { memoryStore } from '../../../../shared/events/store.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('retention on Redis', () => {
  const DAY_MS = 86_400_000
  const GROUP = 'facts.sub'
  const made = (n: number) => ({ n, of: 'wood'.repeat(50) })

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

  async function stream(overflow: 'refuse' | 'trim' = 'refuse') {
    const prefix = `retention-${++count}`
    const store = memoryStore()
    const opened = await openEvents(redis, { prefix, store, overflow })
    ends.push(opened.end)
    const key = `${prefix}:{thing}`
    const enforce = async (options: Partial<RetentionOptions>) => {
      const [report] = await enforceRetention({
        redis: redis.client,
        store,
        tags: ['thing'],
        logger: silentLogger,
        prefix,
        overflow,
        ...options,
      })
      return report
    }
    const publish = (n: number) =>
      opened.events.publishMany(
        ThingMade,
        Array.from({ length: n }, (_, at) => made(at)),
      )
    return { ...opened, store, key, enforce, publish }
  }

  const later = () => Date.now() + 8 * DAY_MS

  test('entries past their age are trimmed when every group has acknowledged them', async () => {
    const { events, key, enforce, publish } = await stream()
    events.subscribe(ThingMade, { name: 'sub' }, () => {})
    await events.start()
    await publish(100)
    await eventually(async () => expect((await events.health())[0]).toMatchObject({ lag: 0, pending: 0 }))

    const young = await enforce({})
    const old = await enforce({ now: later, forgetAfterMs: 100 * DAY_MS })

    expect(young).toMatchObject({ trimmed: 0, full: false })
    expect(old).toMatchObject({ trimmed: 100, lost: 0 })
    expect(await redis.client.xlen(key)).toBe(0)
  })

  test('an entry that a group has not acknowledged is kept, however old', async () => {
    const { key, enforce, publish } = await stream()
    await redis.client.xgroup('CREATE', key, GROUP, '0', 'MKSTREAM')
    await publish(100)
    await redis.client.xreadgroup('GROUP', GROUP, 'c', 'COUNT', 60, 'STREAMS', key, '>')
    const pending = (await redis.client.xpending(key, GROUP, '-', '+', 60)) as [string][]
    await redis.client.xack(key, GROUP, ...pending.slice(0, 30).map(([id]) => id))

    const report = await enforce({ now: later })

    expect(report).toMatchObject({ trimmed: 30, lost: 0 })
    expect(await redis.client.xlen(key)).toBe(70)
    await redis.client.xack(key, GROUP, ...pending.slice(30).map(([id]) => id))
    await enforce({ now: later })
    expect(await redis.client.xlen(key)).toBe(40)
  })

  test('a registered group that vanished holds what lies above its mark', async () => {
    const { store, key, enforce, publish } = await stream()
    const published = await publish(10)
    const record = { group: GROUP, owner: 'facts', name: 'sub', events: ['thing.made'], tags: ['thing'] }
    await store.register({ ...record, heardAtMs: later() })
    await store.saveMark(GROUP, 'thing', published[3]?.entryId ?? '')

    await enforce({ now: later })

    expect(await redis.client.xlen(key)).toBe(6)
  })

  test('a group unheard of for a week holds nothing, and is warned of from the first day', async () => {
    const { store, key, enforce, publish } = await stream()
    await redis.client.xgroup('CREATE', key, GROUP, '0', 'MKSTREAM')
    const record = { group: GROUP, owner: 'facts', name: 'sub', events: ['thing.made'], tags: ['thing'] }
    await store.register({ ...record, heardAtMs: Date.now() })
    await publish(10)
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) }

    await enforce({ logger, now: () => Date.now() + 2 * DAY_MS })
    expect(await redis.client.xlen(key)).toBe(10)
    await enforce({ logger, now: later })

    expect(warnings).toHaveLength(2)
    expect(await redis.client.xlen(key)).toBe(0)
  })

  test('at the cap publishing is refused until the group catches up', async () => {
    const { events, key, enforce, publish } = await stream()
    await redis.client.xgroup('CREATE', key, GROUP, '0', 'MKSTREAM')
    await publish(1000)

    const full = await enforce({ maxBytes: 100_000 })
    expect(full).toMatchObject({ full: true, trimmed: 0, lost: 0 })
    await eventually(async () => {
      const error = await events.publish(ThingMade, made(1)).catch((error: unknown) => error)
      expect(error).toMatchObject({ code: 'EVENT_STREAM_FULL' })
    })
    await redis.client.xgroup('SETID', key, GROUP, '$')

    const free = await enforce({ maxBytes: 100_000 })
    expect(free?.full).toBe(false)
    expect(free?.bytes).toBeLessThanOrEqual(100_000)
    await eventually(async () => expect((await events.publish(ThingMade, made(1))).entryId).toBeString())
  })

  test('at the cap, told to trim, what is lost is counted', async () => {
    const { key, enforce, publish } = await stream('trim')
    await redis.client.xgroup('CREATE', key, GROUP, '0', 'MKSTREAM')
    await publish(1000)
    const lost: number[] = []

    const report = await enforce({
      maxBytes: 100_000,
      observer: { entriesLost: ({ count }) => void lost.push(count) },
    })

    expect(report?.full).toBe(false)
    expect(lost).toEqual([report?.lost ?? 0])
    expect(await redis.client.xlen(key)).toBe(1000 - (report?.lost ?? 0))
  })
})
