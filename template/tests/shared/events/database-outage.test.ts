import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type KeptServer, startPostgres } from '@kiln/shared/embedded'
import { type Kysely, sql } from 'kysely'
import { isDatabaseAway } from '../../../../shared/events/errors.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { loadConfig } from '../../../../src/config.ts'
import { connectServiceDatabase } from '../../../../src/infrastructure/database/connection.ts'
import { testEnvironment } from '../../../../tests/support/service.ts'
import { descendants } from '../../support/processes.ts'
import { openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(180_000)

const OUTAGE_MS = 60_000
const BEFORE = 100
const MEANWHILE = 1000

describe.skipIf(!hasRedisServer)('a handler that writes to PostgreSQL', () => {
  let postgres: KeptServer
  let redis: RedisServer
  let db: Kysely<never>
  beforeAll(async () => {
    ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
    const config = loadConfig(testEnvironment({ SERVICE_DATABASE_URL: postgres.url }))
    db = connectServiceDatabase(config) as unknown as Kysely<never>
    await sql`create table handled (n integer primary key)`.execute(db)
  })
  afterAll(async () => {
    await db?.destroy()
    await redis?.stop()
    await postgres?.stop()
  })

  test('spends no attempt while it is away for a minute: no dead letter, and all is handled after', async () => {
    const { events, end } = await openEvents(redis, {})
    const errors = new Set<unknown>()
    const attempts = new Set<number>()
    const options = { name: 'sub', attempts: 1, pauseMs: 200 }
    events.subscribe(ThingMade, options, async ({ data, attempt }) => {
      attempts.add(attempt)
      try {
        await sql`insert into handled (n) values (${data.n}) on conflict do nothing`.execute(db)
      } catch (error) {
        errors.add(isDatabaseAway(error) ? (error as Error & { code: string }).code : error)
        throw error
      }
    })
    await events.start()
    const publish = (from: number, count: number) =>
      events.publishMany(
        ThingMade,
        Array.from({ length: count }, (_, at) => ({ n: from + at, of: `key-${at}` })),
      )
    await publish(0, BEFORE)
    await eventually(async () => expect(await handled()).toBe(BEFORE))

    // Frozen until a statement has run out of time, then gone.
    const awayUntilMs = performance.now() + OUTAGE_MS
    const processes = [postgres.pid, ...descendants(postgres.pid)]
    for (const pid of processes) process.kill(pid, 'SIGSTOP')
    await publish(BEFORE, MEANWHILE)
    await eventually(() => expect(errors).toContain('DATABASE_TIMEOUT'), { timeoutMs: 30_000 })
    for (const pid of processes) process.kill(pid, 'SIGKILL')
    await eventually(() => expect(errors).toContain('DATABASE_UNAVAILABLE'), { timeoutMs: 20_000 })
    await Bun.sleep(awayUntilMs - performance.now())
    const [during] = await events.health()
    await postgres.restart()

    await eventually(async () => expect(await handled()).toBe(BEFORE + MEANWHILE), { timeoutMs: 60_000 })
    await eventually(async () =>
      expect((await events.health())[0]).toMatchObject({ lag: 0, pending: 0, due: 0, dead: 0 }),
    )
    expect(during).toMatchObject({ dead: 0 })
    expect([...errors].toSorted()).toEqual(['DATABASE_TIMEOUT', 'DATABASE_UNAVAILABLE'])
    expect([...attempts]).toEqual([1])
    await end()
  })

  async function handled(): Promise<number> {
    const { rows } = await sql<{ count: number }>`select count(*) from handled`.execute(db)
    return Number(rows[0]?.count)
  }
})
