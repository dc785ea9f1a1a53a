import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Kysely, sql } from 'kysely'
import type { KeptServer } from '../../../scripts/embedded/keep.ts'
import { startPostgres } from '../../../scripts/embedded/postgres.ts'
import { isDatabaseAway } from '../../../shared/events/errors.ts'
import { ThingMade } from '../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../shared/testing/eventually.ts'
import { loadConfig } from '../../../src/config.ts'
import { connectServiceDatabase } from '../../../src/infrastructure/database/connection.ts'
import { descendants } from '../../scripts/processes.ts'
import { testEnvironment } from '../../support/service.ts'
import { openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(90_000)

const COUNT = 1000
/** Longer than a statement may run, so that both kinds of error come. */
const FROZEN_MS = 12_000

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

  test('spends no attempt on a database that is killed or frozen: no dead letter, and all is handled after', async () => {
    const { events, end } = await openEvents(redis, {})
    const errors = new Map<unknown, number>()
    let started = 0
    const options = { name: 'sub', attempts: 1, pauseMs: 200 }
    events.subscribe(ThingMade, options, async ({ data }) => {
      started++
      try {
        await sql`insert into handled (n) values (${data.n}) on conflict do nothing`.execute(db)
      } catch (error) {
        const code = isDatabaseAway(error) ? (error as Error & { code: string }).code : error
        errors.set(code, (errors.get(code) ?? 0) + 1)
        throw error
      }
    })
    await events.start()
    const publish = (from: number, to: number) =>
      events.publishMany(
        ThingMade,
        Array.from({ length: to - from }, (_, at) => ({ n: from + at, of: `key-${at}` })),
      )
    await publish(0, 400)
    await eventually(() => expect(started).toBeGreaterThan(20))

    process.kill(postgres.pid, 'SIGKILL')
    await publish(400, 600)
    await eventually(() => expect(errors.get('DATABASE_UNAVAILABLE')).toBeGreaterThan(0), {
      timeoutMs: 10_000,
    })
    await Bun.sleep(1000)
    await postgres.restart()
    await eventually(async () => expect(await handled()).toBeGreaterThan(400), { timeoutMs: 15_000 })

    const processes = [postgres.pid, ...descendants(postgres.pid)]
    for (const pid of processes) process.kill(pid, 'SIGSTOP')
    await publish(600, COUNT)
    await Bun.sleep(FROZEN_MS)
    for (const pid of processes) process.kill(pid, 'SIGCONT')

    await eventually(async () => expect(await handled()).toBe(COUNT), { timeoutMs: 30_000 })
    await eventually(async () =>
      expect((await events.health())[0]).toMatchObject({ lag: 0, pending: 0, due: 0, dead: 0 }),
    )
    expect([...errors.keys()].toSorted()).toEqual(['DATABASE_TIMEOUT', 'DATABASE_UNAVAILABLE'])
    await end()
  })

  async function handled(): Promise<number> {
    const { rows } = await sql<{ count: number }>`select count(*) from handled`.execute(db)
    return Number(rows[0]?.count)
  }
})
