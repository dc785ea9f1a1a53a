import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Redis } from 'ioredis'
import { redisReplayJobs } from '../../../../shared/events/redis/replay-jobs.ts'
import { redisStore } from '../../../../shared/events/redis/store.ts'
import { memoryReplayJobs, type ReplayJob, type ReplayJobs } from '../../../../shared/events/replay-jobs.ts'
import { memoryStore, type SubscriptionStore } from '../../../../shared/events/store.ts'
import { migrateShared, sharedMigrations } from '../../../../shared/postgres/migrations/index.ts'
import { postgresReplayJobs } from '../../../../shared/postgres/replay-jobs.ts'
import { postgresStore } from '../../../../shared/postgres/subscription-store.ts'
import { createTestKeys, hasRedis, redisUrl } from '../../../../tests/support/redis.ts'
import { createSharedDatabase } from './support/shared-database.ts'

setDefaultTimeout(20_000)

interface Stores {
  readonly store: SubscriptionStore
  readonly jobs: ReplayJobs
  close(): Promise<void>
}

/** What every kind of store does, whatever it keeps its records in. */
function behavesAsAStore(name: string, open: () => Promise<Stores>): void {
  describe(`subscriptions and replays kept in ${name}`, () => {
    let store: SubscriptionStore
    let jobs: ReplayJobs
    let close: () => Promise<void>
    beforeAll(async () => {
      ;({ store, jobs, close } = await open())
    })
    afterAll(() => close())

    const record = (group: string) => ({
      group,
      owner: 'store',
      name: group.replace('store.', ''),
      events: ['thing.made', 'thing "quoted", {odd}'],
      tags: ['thing:0', 'thing:1'],
      heardAtMs: 1_700_000_000_123,
    })
    const found = async (group: string) => (await store.list()).find((one) => one.group === group)

    test('a registered subscription is listed as it was declared', async () => {
      await store.register(record('store.listed'))

      expect(await found('store.listed')).toEqual({ ...record('store.listed'), paused: false })
    })

    test('registering again changes what is declared and keeps the pause', async () => {
      await store.register(record('store.again'))
      await store.setPaused('store.again', true)

      await store.register({
        ...record('store.again'),
        events: ['thing.broken'],
        heardAtMs: 1_800_000_000_000,
      })

      expect(await found('store.again')).toMatchObject({
        events: ['thing.broken'],
        paused: true,
        heardAtMs: 1_800_000_000_000,
      })
    })

    test('a pause is kept until it is lifted', async () => {
      await store.register(record('store.paused'))

      expect(await store.isPaused('store.paused')).toBe(false)
      expect(await store.setPaused('store.paused', true)).toBe(true)
      expect(await store.isPaused('store.paused')).toBe(true)
      expect(await store.setPaused('store.paused', true)).toBe(true)
      expect(await store.setPaused('store.paused', false)).toBe(true)
      expect(await store.isPaused('store.paused')).toBe(false)
    })

    test('what is not registered cannot be paused, and was never heard', async () => {
      await store.heard('store.unknown', 1)

      expect(await store.setPaused('store.unknown', true)).toBe(false)
      expect(await store.isPaused('store.unknown')).toBe(false)
      expect(await found('store.unknown')).toBeUndefined()
    })

    test('the time it was last heard of is kept to the millisecond', async () => {
      await store.register(record('store.heard'))

      await store.heard('store.heard', 1_700_000_001_789)

      expect((await found('store.heard'))?.heardAtMs).toBe(1_700_000_001_789)
    })

    test('a low-water mark is kept for each tag, and the newest replaces the one before', async () => {
      await store.register(record('store.marks'))

      await store.saveMark('store.marks', 'thing:0', '9999999999999-18446744073709551615')
      await store.saveMark('store.marks', 'thing:1', '5-5')
      await store.saveMark('store.marks', 'thing:1', '5-6')

      expect(await store.mark('store.marks', 'thing:0')).toBe('9999999999999-18446744073709551615')
      expect(await store.mark('store.marks', 'thing:1')).toBe('5-6')
      expect(await store.mark('store.marks', 'thing:2')).toBeUndefined()
      expect(await store.mark('store.unmarked', 'thing:0')).toBeUndefined()
    })

    test('what is removed leaves neither pause nor marks behind', async () => {
      await store.register(record('store.gone'))
      await store.setPaused('store.gone', true)
      await store.saveMark('store.gone', 'thing:0', '1-1')

      await store.remove('store.gone')
      await store.remove('store.gone')

      expect(await found('store.gone')).toBeUndefined()
      expect(await store.isPaused('store.gone')).toBe(false)
      expect(await store.mark('store.gone', 'thing:0')).toBeUndefined()
      await store.register(record('store.gone'))
      expect(await store.isPaused('store.gone')).toBe(false)
    })

    const job = (id: string, createdAtMs: number): ReplayJob => ({
      id,
      service: 'store',
      subscription: 'sub',
      events: ['thing.made'],
      group: `store.sub.replay.${id}`,
      parts: [{ tag: 'thing', after: '0-0', until: '9-9' }],
      perSecond: id === 'second' ? 12.5 : undefined,
      total: 3,
      done: 0,
      status: 'running',
      createdAtMs,
    })

    test('replays are listed newest first, advance, and end once', async () => {
      await jobs.put(job('first', 1_700_000_000_000))
      await jobs.put(job('second', 1_700_000_000_001))

      await jobs.advance('second', 2)
      await jobs.advance('second', 1)
      await jobs.advance('unknown', 1)
      const ended = [await jobs.end('second', 'done'), await jobs.end('second', 'cancelled')]

      expect([...ended, await jobs.end('unknown', 'done')]).toEqual([true, false, false])
      expect(await jobs.list()).toEqual([
        { ...job('second', 1_700_000_000_001), done: 3, status: 'done' },
        job('first', 1_700_000_000_000),
      ])
    })
  })
}

behavesAsAStore('memory', async () => ({
  store: memoryStore(),
  jobs: memoryReplayJobs(),
  close: async () => {},
}))

if (hasRedis) {
  behavesAsAStore('Redis', async () => {
    const keys = createTestKeys()
    const redis = new Redis(redisUrl)
    return {
      store: redisStore(redis, keys.prefix),
      jobs: redisReplayJobs(redis, keys.prefix),
      close: async () => {
        redis.disconnect()
        await keys.drop()
      },
    }
  })
} else describe.skip('subscriptions and replays kept in Redis', () => {})

behavesAsAStore('PostgreSQL', async () => {
  const { db, close } = await createSharedDatabase()
  return { store: postgresStore(db), jobs: postgresReplayJobs(db), close }
})

describe('the tables of the shared package', () => {
  test('are made once by several processes that begin at the same time', async () => {
    const databases = await createSharedDatabase({ migrate: false, clients: 3 })

    const applied = await Promise.all(databases.clients.map((db) => migrateShared(db)))
    await databases.close()

    expect(applied.flat()).toEqual(Object.keys(sharedMigrations))
  })

  test('have an index for every statement', async () => {
    const { db, statements, close } = await createSharedDatabase()
    const store = postgresStore(db)
    const jobs = postgresReplayJobs(db)
    await store.list()
    await store.heard('group', 1)
    await store.setPaused('group', true)
    await store.isPaused('group')
    await store.mark('group', 'tag')
    await store.remove('group')
    await jobs.list()
    await jobs.advance('id', 1)
    await jobs.end('id', 'done')

    const scanned = await statements.thatScan()
    await close()

    expect(statements.count).toBeGreaterThan(8)
    expect(scanned).toEqual([])
  })
})
