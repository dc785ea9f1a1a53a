import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { GROUP, testRedis } from './support/test-redis.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('a process that leads an ordered group again', () => {
  const redis = testRedis('leading-again')

  test('a later event of a key waits for the one that has been running all the time', async () => {
    const { prefix, stream } = redis.newPrefix()
    const leader = `${stream}:leader:${GROUP}`
    const { events } = await redis.open({ prefix, leaseMs: 300, blockMs: 50 })
    const started: number[] = []
    const first = Promise.withResolvers<void>()
    events.subscribe(ThingMade, { name: 'sub', ordered: true }, async ({ data }) => {
      started.push(data.n)
      if (data.n === 1) await first.promise
    })
    await events.start()
    await events.publishMany(ThingMade, [
      { n: 1, of: 'wood' },
      { n: 2, of: 'wood' },
    ])
    await eventually(async () => expect([started, await redis.pendingOf(stream)]).toEqual([[1], 2]))

    await redis.client.set(leader, 'another', 'PX', 1000)
    await eventually(async () => expect(await redis.client.get(leader)).toBe('process'))
    await events.publish(ThingMade, { n: 3, of: 'iron' })
    await eventually(() => expect(started).toContain(3))

    expect(started).toEqual([1, 3])
    first.resolve()
    await eventually(() => expect(started).toEqual([1, 3, 2]))
  })

  test('goes on with what it had read, though its handler ended while it could not lead', async () => {
    const { prefix } = redis.newPrefix()
    const logged: string[] = []
    const logger = { ...silentLogger, error: (_: object, text: string) => void logged.push(text) }
    const options = { prefix, leaseMs: 300, blockMs: 50, timeoutMs: 1000 }
    const { events } = await redis.open({ ...options, events: { logger } })
    const handled: number[] = []
    const first = Promise.withResolvers<void>()
    events.subscribe(ThingMade, { name: 'sub', ordered: true, concurrency: 1 }, async ({ data }) => {
      if (data.n === 1) await first.promise
      handled.push(data.n)
    })
    await events.start()
    const things = Array.from({ length: 25 }, (_, index) => ({ n: index + 1, of: 'wood' }))
    await events.publishMany(ThingMade, things)
    await eventually(async () => expect(await redis.pendingOf(`${prefix}:{thing}`)).toBe(25))

    await redis.client.client('PAUSE', 60_000, 'WRITE')
    await eventually(() => expect(logged.join()).toContain('events cannot be read'))
    first.resolve()
    await eventually(() => expect(handled).toEqual([1]))
    await redis.client.client('UNPAUSE')

    await eventually(() => expect(handled).toEqual(things.map(({ n }) => n)))
  })
})
