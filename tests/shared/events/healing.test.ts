import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { memoryStore } from '../../../shared/events/store.ts'
import { ThingMade } from '../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../shared/testing/eventually.ts'
import { type OpenOptions, openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('healing on Redis', () => {
  const GROUP = 'facts.sub'
  const made = (n: number) => ({ n, of: 'wood' })

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

  function newPrefix(): { prefix: string; stream: string } {
    const prefix = `healing-${++count}`
    return { prefix, stream: `${prefix}:{thing}` }
  }

  async function open(options: OpenOptions) {
    const opened = await openEvents(redis, options)
    ends.push(opened.end)
    return opened
  }

  async function pendingOf(stream: string): Promise<number> {
    const [pending] = (await redis.client.xpending(stream, GROUP)) as [number]
    return pending
  }

  test('a group that vanished is healed at its low-water mark: nothing below it, everything above', async () => {
    const { prefix, stream } = newPrefix()
    const store = memoryStore()
    const { events } = await open({ prefix, store })
    const seen: number[] = []
    let stuck = true
    events.subscribe(ThingMade, { name: 'sub' }, async ({ data }) => {
      seen.push(data.n)
      while (stuck && data.n === 2) await new Promise((resolve) => setTimeout(resolve, 10))
    })
    await events.start()
    const [, , two] = await events.publishMany(ThingMade, [made(0), made(1), made(2), made(3)])
    await eventually(async () => expect(await pendingOf(stream)).toBe(1))
    await eventually(async () => {
      const [ms, seq] = (two?.entryId ?? '').split('-')
      const below = seq === '0' ? `${Number(ms) - 1}-` : `${ms}-${Number(seq) - 1}`
      expect(await store.mark(GROUP, 'thing')).toStartWith(below)
    })

    await redis.client.xgroup('DESTROY', stream, GROUP)
    stuck = false

    await eventually(() => expect(seen).toEqual([0, 1, 2, 3, 2, 3]))
  })

  test('after FLUSHALL a subscription reads what comes, without a hot loop', async () => {
    const { prefix } = newPrefix()
    const { events } = await open({ prefix, store: memoryStore() })
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.push(data.n))
    await events.start()
    await events.publish(ThingMade, made(1))
    await eventually(() => expect(seen).toEqual([1]))

    await redis.client.flushall()
    await redis.client.config('RESETSTAT')
    await events.publish(ThingMade, made(2))

    await eventually(() => expect(seen).toEqual([1, 2]))
    const stats = await redis.client.info('commandstats')
    expect(Number(/cmdstat_xreadgroup:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(50)
  })

  test('a server that comes back empty, all connections cut, is read again from what it gets', async () => {
    const { prefix } = newPrefix()
    const { events } = await open({ prefix, store: memoryStore() })
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.push(data.n))
    await events.start()
    await events.publish(ThingMade, made(1))
    await eventually(() => expect(seen).toEqual([1]))

    await redis.client.multi().flushall().call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').exec()
    await eventually(() => events.publish(ThingMade, made(2), { id: 'two' }))

    await eventually(() => expect(seen).toContain(2))
  })

  test('a mark ahead of the stream starts at 0 instead of reading nothing for ever', async () => {
    const { prefix } = newPrefix()
    const store = memoryStore()
    await store.saveMark(GROUP, 'thing', '99999999999999-0')
    const { events } = await open({ prefix, store })
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.push(data.n))
    await events.publish(ThingMade, made(1))

    await events.start()
    await events.publish(ThingMade, made(2))

    await eventually(() => expect(seen).toEqual([1, 2]))
  })
})
