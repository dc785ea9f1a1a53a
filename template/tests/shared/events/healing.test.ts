import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { memoryStore } from '../../../../shared/events/store.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { GROUP, testRedis } from './support/test-redis.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('healing on Redis', () => {
  const redis = testRedis('healing')
  const made = (n: number) => ({ n, of: 'wood' })
  /** A subscription that has handled its first event. */
  const readingOne = async () => {
    const { prefix } = redis.newPrefix()
    const { events } = await redis.open({ prefix, store: memoryStore() })
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.push(data.n))
    await events.start()
    await events.publish(ThingMade, made(1))
    await eventually(() => expect(seen).toEqual([1]))
    return { events, seen }
  }

  test('a group that vanished is healed at its low-water mark: nothing below it, everything above', async () => {
    const { prefix, stream } = redis.newPrefix()
    const store = memoryStore()
    const { events } = await redis.open({ prefix, store })
    const seen: number[] = []
    let stuck = true
    events.subscribe(ThingMade, { name: 'sub' }, async ({ data }) => {
      seen.push(data.n)
      while (stuck && data.n === 2) await new Promise((resolve) => setTimeout(resolve, 10))
    })
    await events.start()
    const [, , two] = await events.publishMany(ThingMade, [made(0), made(1), made(2), made(3)])
    await eventually(async () => expect(await redis.pendingOf(stream)).toBe(1))
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
    const { events, seen } = await readingOne()

    await redis.client.flushall()
    await redis.client.config('RESETSTAT')
    await events.publish(ThingMade, made(2))

    await eventually(() => expect(seen).toEqual([1, 2]))
    const stats = await redis.client.info('commandstats')
    expect(Number(/cmdstat_xreadgroup:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(50)
  })

  test('a server that comes back empty, all connections cut, is read again from what it gets', async () => {
    const { events, seen } = await readingOne()

    await redis.client.multi().flushall().call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').exec()
    await eventually(() => events.publish(ThingMade, made(2), { id: 'two' }))

    await eventually(() => expect(seen).toContain(2))
  })

  test('a mark ahead of the stream starts at 0 instead of reading nothing for ever', async () => {
    const { prefix } = redis.newPrefix()
    const store = memoryStore()
    await store.saveMark(GROUP, 'thing', '99999999999999-0')
    const { events } = await redis.open({ prefix, store })
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.push(data.n))
    await events.publish(ThingMade, made(1))

    await events.start()
    await events.publish(ThingMade, made(2))

    await eventually(() => expect(seen).toEqual([1, 2]))
  })
})
