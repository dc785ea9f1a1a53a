import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { connectDatabase } from '@kiln/shared/postgres'
import { type CompiledQuery, sql } from 'kysely'
import { Floor } from '../../../../../shared/postgres/outbox/floor.ts'
import { claimRows, type Db, waitingBuckets } from '../../../../../shared/postgres/outbox/rows.ts'
import { eventually } from '../../../../../shared/testing/eventually.ts'
import { hasRedisServer } from '../../events/support/redis-server.ts'
import { openStage, type Stage, sendKeptBack } from './support/stage.ts'

setDefaultTimeout(60_000)

const DEAD = 100_000
const buckets = Array.from({ length: 64 }, (_, bucket) => bucket)

interface Plan {
  readonly Plan: { readonly 'Shared Hit Blocks': number; readonly 'Shared Read Blocks': number }
}

describe.skipIf(!hasRedisServer)('the floor of a relay', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage()
  })
  afterAll(() => stage?.close())

  test('stays below a row that commits late, which is sent in the order of its key', async () => {
    const db = stage.db as unknown as Db
    const floor = new Floor(db)
    const late = await stage.other.startTransaction().execute()
    await stage.publish(late, 1000, 'late')
    await sendKeptBack(late)
    const relay = stage.relay()
    await stage.publishAll(0, 50)
    await eventually(async () => expect(await stage.rows()).toMatchObject({ waiting: 0, archived: 50 }))

    await floor.raise()
    await floor.raise()
    const whileOpen = floor.id
    await stage.publish(late, 1001, 'late')
    await late.commit().execute()
    await stage.db.transaction().execute((trx) => stage.publish(trx, 1002, 'late'))
    await eventually(async () => expect(await stage.rows()).toMatchObject({ waiting: 0, archived: 53 }))
    await relay.stop(5000)
    await floor.raise()
    await floor.raise()

    expect(whileOpen).toBe(0)
    expect((await stage.sent()).filter(({ of }) => of === 'late').map(({ n }) => n)).toEqual([
      1000, 1001, 1002,
    ])
    expect(floor.id).toBe(53)
  })

  test('stays below a row that is there, parked or not', async () => {
    const { id } = await stage.addRow({ key: 'key-1' })
    await sql`update outbox set parked_at = now() where id = ${id}`.execute(stage.db)
    const floor = new Floor(stage.db as unknown as Db)

    await floor.raise()

    expect(floor.id).toBe(id - 1)
    await sql`delete from outbox`.execute(stage.db)
  })

  test('spares a claim the rows that were sent while a transaction stays open', async () => {
    let last: CompiledQuery | undefined
    const db = connectDatabase<Record<string, never>>({
      url: stage.database.url,
      applicationName: 'floor test',
      poolMax: 1,
      connectTimeoutMs: 2000,
      statementTimeoutMs: 20_000,
      prepared: false,
      log: ({ query }) => {
        last = query
      },
    }) as unknown as Db
    const open = await stage.other.startTransaction().setIsolationLevel('repeatable read').execute()
    await sql`select count(*) from outbox`.execute(open)
    await sql`
      insert into outbox (bucket, key, event)
      select n % 64, 'thing/' || n, '{}' from generate_series(1, ${sql.lit(DEAD)}) as n`.execute(db)
    await sql`delete from outbox`.execute(db)
    await stage.addRow({ key: 'key-1' })
    const floor = new Floor(db)
    await floor.raise()

    const pagesOf = async (run: (trx: Parameters<typeof claimRows>[0]) => Promise<unknown>) => {
      return await db.transaction().execute(async (trx) => {
        await run(trx)
        const query = last as CompiledQuery
        const { rows } = await trx.executeQuery<{ 'QUERY PLAN': readonly Plan[] }>({
          ...query,
          sql: `explain (analyze, buffers, format json) ${query.sql}`,
        })
        const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
        return (plan?.['Shared Hit Blocks'] ?? 0) + (plan?.['Shared Read Blocks'] ?? 0)
      })
    }
    const claimFrom = (id: number) =>
      pagesOf((trx) =>
        claimRows(trx, buckets, { floor: id, ids: [], domains: [] }, { perBucket: 100, maxBytes: 1e6 }),
      )
    const fromStart = await claimFrom(0)
    const fromFloor = await claimFrom(floor.id)
    const lookFromFloor = await pagesOf((trx) => waitingBuckets(trx, floor.id))

    expect(fromStart).toBeGreaterThan(1000)
    expect(fromFloor).toBeLessThan(500)
    expect(lookFromFloor).toBeLessThan(500)
    await open.rollback().execute()
    await db.destroy()
  })
})
