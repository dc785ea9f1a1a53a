import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { postgresReplayJobs } from '../../../../shared/postgres/replay-jobs.ts'
import { postgresStore } from '../../../../shared/postgres/subscription-store.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'
import { createSharedDatabase } from './support/shared-database.ts'

setDefaultTimeout(20_000)

const made = (n: number) => ({ n, of: 'wood' })

describe.skipIf(!hasRedisServer)('subscriptions kept in the database, beside a Redis', () => {
  let redis: RedisServer
  let database: Awaited<ReturnType<typeof createSharedDatabase>>
  beforeAll(async () => {
    redis = await startRedis()
    database = await createSharedDatabase()
  })
  afterAll(async () => {
    await redis?.stop()
    await database?.close()
  })

  test('outlive FLUSHALL: registration, low-water mark and pause', async () => {
    const store = postgresStore(database.db)
    const replays = postgresReplayJobs(database.db)
    const seen: string[] = []
    const start = async (consumer: string) => {
      const opened = await openEvents(redis, { store, replays, consumer, blockMs: 50 })
      for (const name of ['running', 'paused']) {
        opened.events.subscribe(ThingMade, { name }, ({ data }) => void seen.push(`${name} ${data.n}`))
      }
      await opened.events.start()
      return opened
    }
    // Paused by the first process, before the second begins: nothing is read meanwhile.
    const first = await start('first')
    await first.events.pause('paused')
    await first.end()
    const second = await start('second')
    const { entryId } = await second.events.publish(ThingMade, made(1))
    await eventually(async () => expect(await store.mark('facts.running', 'thing')).toBe(entryId))
    await second.end()

    await redis.client.flushall()

    expect(await store.mark('facts.running', 'thing')).toBe(entryId)
    expect((await store.list()).map(({ name, paused }) => [name, paused])).toEqual([
      ['paused', true],
      ['running', false],
    ])
    const third = await start('third')
    await third.events.publish(ThingMade, made(2))
    await eventually(() => expect(seen).toEqual(['running 1', 'running 2']))
    await third.events.resume('paused')
    await eventually(() => expect(seen).toEqual(['running 1', 'running 2', 'paused 2']))
    await third.end()
  })
})
