import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { PermanentError } from '../../../../shared/events/errors.ts'
import { type RenameOwnerOptions, renameOwner } from '../../../../shared/events/redis/rename-owner.ts'
import { postgresReplayJobs } from '../../../../shared/postgres/replay-jobs.ts'
import { postgresStore } from '../../../../shared/postgres/subscription-store.ts'
import { ThingMade, ThingMadeLater } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { type OpenOptions, openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'
import { createSharedDatabase } from './support/shared-database.ts'

setDefaultTimeout(20_000)

const made = (n: number, of = `key-${n}`) => ({ n, of })
const SLOWLY = { baseMs: 1500, maxMs: 1500 }

describe.skipIf(!hasRedisServer)('a service that was renamed', () => {
  let redis: RedisServer
  let database: Awaited<ReturnType<typeof createSharedDatabase>>
  const ends: (() => Promise<void>)[] = []

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    await redis.client.flushall()
  })
  afterAll(() => redis.stop())

  async function open(service: string, options: OpenOptions = {}) {
    if (ends.length === 0) {
      database = await createSharedDatabase()
      ends.push(database.close)
    }
    const store = postgresStore(database.db)
    const replays = postgresReplayJobs(database.db)
    const opened = await openEvents(redis, {
      consumer: service,
      store,
      replays,
      ...options,
      events: { service },
    })
    ends.push(opened.end)
    return { ...opened, store, replays }
  }
  const rename = ({ store, replays }: Pick<RenameOwnerOptions, 'store' | 'replays'>) =>
    renameOwner({ redis: redis.client, store, replays, logger: silentLogger, from: 'old', to: 'new' })

  test('is refused until its groups were moved, and then nothing is lost: pending, due, parked, dead, held', async () => {
    const old = await open('old')
    const begun: number[] = []
    old.events.subscribe(ThingMade, { name: 'plain', backoff: SLOWLY, concurrency: 50 }, async ({ data }) => {
      begun.push(data.n)
      if (data.n === 1) throw new PermanentError('never')
      if (data.n === 2) throw new Error('later')
      if (data.n === 3) await new Promise(() => {})
    })
    old.events.subscribe(ThingMade, { name: 'ordered', ordered: true, backoff: SLOWLY }, ({ data }) => {
      if (data.n === 2) throw new Error('later')
    })
    await old.events.start()
    const later = await open('old', { consumer: 'later' })
    await later.events.publish(ThingMadeLater, { number: 4, of: 'key-4' })
    await old.events.publishMany(ThingMade, [made(0), made(1), made(2), made(3), made(5, 'key-2')])
    await eventually(async () => {
      expect(begun.toSorted()).toEqual([0, 1, 2, 3, 5])
      const found = Object.fromEntries((await old.events.health()).map((one) => [one.subscription, one]))
      expect(found.plain).toMatchObject({ lag: 0, pending: 1, due: 1, parked: 1, dead: 1 })
      expect(found.ordered).toMatchObject({ lag: 0, pending: 0, due: 1, parked: 1 })
    })
    await old.events.close(0)
    await old.events.pause('ordered')
    await later.events.publish(ThingMade, made(6))

    const early = await open('new')
    const refused = await early.events.start().catch((error: unknown) => error)
    const moved = await rename(old)
    const fresh = await open('new')
    const seen: [string, number][] = []
    for (const name of ['plain', 'ordered']) {
      const ordered = name === 'ordered'
      fresh.events.subscribe(
        ThingMadeLater,
        { name, ordered },
        ({ data }) => void seen.push([name, data.number]),
      )
    }
    await fresh.events.start()
    await fresh.events.publish(ThingMade, made(7))
    const seenBy = (name: string) => seen.filter(([by]) => by === name).map(([, n]) => n)
    await eventually(() => expect(seenBy('plain').toSorted()).toEqual([2, 3, 4, 6, 7]), { timeoutMs: 10_000 })
    const whilePaused = seenBy('ordered')
    await fresh.events.resume('ordered')
    await eventually(() => expect(seenBy('ordered').toSorted()).toEqual([2, 4, 5, 6, 7]))

    expect(refused).toMatchObject({
      code: 'EVENT_SUBSCRIPTION_INVALID',
      message: expect.stringContaining('old'),
    })
    expect(moved).toEqual([
      { subscription: 'ordered', group: 'new.ordered', pending: 0 },
      { subscription: 'plain', group: 'new.plain', pending: 1 },
    ])
    expect(whilePaused).toEqual([])
    expect(seenBy('ordered').indexOf(2)).toBeLessThan(seenBy('ordered').indexOf(5))
    const { items } = await fresh.events.deadLetters.list('plain')
    expect(items.map(({ reason, fields }) => [reason, fields.data])).toEqual([
      ['permanent', '{"n":1,"of":"key-1"}'],
    ])
    expect((await redis.client.keys('*old*')).filter((key) => !key.includes(':alive:'))).toEqual([])
    expect((await fresh.store.list()).map(({ owner }) => owner)).toEqual(['new', 'new'])
  })

  test('is not renamed while a process of it reads, nor twice', async () => {
    const old = await open('old')
    old.events.subscribe(ThingMade, { name: 'plain' }, () => {})
    await old.events.start()

    const tooEarly = await rename(old).catch((error: unknown) => error)
    await old.events.close()
    const moved = await rename(old)
    const again = await rename(old).catch((error: unknown) => error)

    expect(tooEarly).toMatchObject({
      code: 'EVENT_SUBSCRIPTION_INVALID',
      message: expect.stringContaining('still reads it'),
    })
    expect(moved.map(({ group }) => group)).toEqual(['new.plain'])
    expect(again).toMatchObject({ code: 'EVENT_UNKNOWN' })
  })
})
