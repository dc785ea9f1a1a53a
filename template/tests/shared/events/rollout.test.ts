import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { ThingMade, ThingMadeLater } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { type OpenOptions, openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('a rollout on Redis', () => {
  let redis: RedisServer
  const ends: (() => Promise<void>)[] = []

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  afterAll(() => redis.stop())

  async function open(options: OpenOptions) {
    const opened = await openEvents(redis, options)
    ends.push(opened.end)
    return opened.events
  }

  test('a rolling deploy to version 2, beside a service still on version 1, loses nothing', async () => {
    const prefix = 'rollout'
    const ours = new Set<number>()
    const theirs = new Set<number>()
    const other = await open({ prefix, consumer: 'other', events: { service: 'other' } })
    other.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void theirs.add(data.n))
    await other.start()
    const startOld = async (consumer: string) => {
      const events = await open({ prefix, consumer })
      events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void ours.add(data.n))
      await events.start()
      return events
    }
    const startNew = async (consumer: string, publishVersions: Record<string, number>) => {
      const events = await open({ prefix, consumer, events: { publishVersions } })
      events.subscribe(ThingMadeLater, { name: 'sub' }, ({ data }) => void ours.add(data.number))
      await events.start()
      return events
    }

    const [oldA, oldB] = [await startOld('old-a'), await startOld('old-b')]
    for (let n = 0; n < 50; n++) await oldA.publish(ThingMade, { n, of: 'a' })
    const newA = await startNew('new-a', { 'thing.made': 1 })
    await oldA.close()
    for (let number = 50; number < 100; number++) await newA.publish(ThingMadeLater, { number, of: 'a' })
    // The pin is lifted before the last old process has gone, and before the other service has moved.
    const newB = await startNew('new-b', {})
    for (let number = 100; number < 150; number++) await newB.publish(ThingMadeLater, { number, of: 'a' })
    await eventually(() => expect(ours.size).toBe(150))
    await oldB.close()
    await eventually(async () => expect(await other.parked('sub')).toHaveLength(50))
    await other.close()
    const moved = await open({ prefix, consumer: 'moved', events: { service: 'other' } })
    moved.subscribe(ThingMadeLater, { name: 'sub' }, ({ data }) => void theirs.add(data.number))
    await moved.start()

    await eventually(() => expect(theirs.size).toBe(150))
    for (const events of [newB, moved]) expect((await events.deadLetters.list('sub')).items).toEqual([])
  })

  test('a database down under 1,000 events costs no dead letter and no event', async () => {
    const events = await open({ prefix: 'database' })
    const handled = new Set<number>()
    let down = false
    let failures = 0
    const options = { name: 'sub', backoff: { baseMs: 5, maxMs: 20 }, attempts: 3, pauseMs: 20 }
    events.subscribe(ThingMade, options, async ({ data }) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (down) {
        failures++
        throw new Error('connect ECONNREFUSED 127.0.0.1:5432')
      }
      handled.add(data.n)
    })
    await events.start()

    const publishing = events.publishMany(
      ThingMade,
      Array.from({ length: 1000 }, (_, n) => ({ n, of: `${n}` })),
    )
    await eventually(() => expect(handled.size).toBeGreaterThan(100))
    down = true
    const downAt = performance.now()
    await publishing
    await eventually(() => expect(performance.now() - downAt).toBeGreaterThan(1500))
    expect(failures).toBeGreaterThan(16)
    down = false

    await eventually(() => expect(handled.size).toBe(1000))
    expect((await events.deadLetters.list('sub')).items).toEqual([])
  })
})
