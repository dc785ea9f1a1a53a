import { describe, expect, test } from 'bun:test'
import { runAs, type WorkContext } from '@kiln/shared/context'
import { lookup } from '@kiln/shared/postgres'
import { eventually } from '@kiln/shared/testing'
import { type Kysely, sql } from 'kysely'
import { testConnections } from './support/test-connections.ts'

const connect = testConnections<never>('deadlines')
const observer = () => connect({ applicationName: 'observer' })

const one = async (db: Kysely<never>) => (await sql`select 1 as one`.execute(db)).rows
const sleep = (db: Kysely<never>, seconds = 30) => sql`select pg_sleep(${seconds})`.execute(db)
const backend = async (db: Kysely<never>) =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid

/** What runs on the server of a test's connections. */
async function running(db: Kysely<never>): Promise<number> {
  const { rows } = await sql`select from pg_stat_activity
    where application_name = 'deadlines' and state <> 'idle' and query like '%pg_sleep%'`.execute(db)
  return rows.length
}

function within<Result>(timeoutMs: number, run: () => Promise<Result>, work: Partial<WorkContext> = {}) {
  const deadlineMs = performance.now() + timeoutMs
  return runAs({ correlationId: undefined, trace: undefined, deadlineMs, ...work }, run)
}

describe('a statement of work whose time is up', () => {
  test.each([
    ['with parameters', (db: Kysely<never>) => sleep(db)],
    ['without parameters', (db: Kysely<never>) => sql`select pg_sleep(30)`.execute(db)],
    ['in a transaction', (db: Kysely<never>) => db.transaction().execute((trx) => sleep(trx))],
  ])('%s is cancelled on the server', async (_, work) => {
    const db = connect({ statementTimeoutMs: 60_000 })

    const failure = await within(100, () => work(db)).catch((error: unknown) => error)

    expect(failure).toMatchObject({ code: 'REQUEST_TIMEOUT', headers: { 'retry-after': '1' } })
    expect(await running(observer())).toBe(0)
    expect(await one(db)).toEqual([{ one: 1 }])
  })

  test('is not begun, and its transaction is rolled back', async () => {
    const db = connect()
    await sql`create table if not exists kept (n int)`.execute(db)

    const failure = await within(150, () =>
      db.transaction().execute(async (trx) => {
        await sql`insert into kept values (${1})`.execute(trx)
        await sleep(trx, 0.2).catch(() => {})
        return await one(trx)
      }),
    ).catch((error: unknown) => error)

    expect(failure).toMatchObject({ code: 'REQUEST_TIMEOUT' })
    expect((await sql`select n from kept`.execute(db)).rows).toEqual([])
  })

  test('leaves a commit that has begun alone', async () => {
    const db = connect()
    await sql`create table late (n int);
      create function linger() returns trigger language plpgsql as
        'begin perform pg_sleep(0.4); return null; end';
      create constraint trigger linger after insert on late deferrable initially deferred
        for each row execute function linger()`.execute(db)

    await within(150, () =>
      db.transaction().execute((trx) => sql`insert into late values (${1})`.execute(trx)),
    )

    expect((await sql`select n from late`.execute(db)).rows).toEqual([{ n: 1 }])
  })

  test('waits no longer for a connection, and the one that comes later goes back to the pool', async () => {
    const db = connect()
    const [held, holding] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const busy = db.transaction().execute(async (trx) => {
      await one(trx)
      holding.resolve()
      await held.promise
    })
    await holding.promise

    const failure = await within(100, () => one(db)).catch((error: unknown) => error)
    held.resolve()
    await busy

    expect(failure).toMatchObject({ code: 'REQUEST_TIMEOUT' })
    expect(await one(db)).toEqual([{ one: 1 }])
  })
})

describe('a statement that nobody waits for any more', () => {
  test('is cancelled, though its time is not up', async () => {
    const db = connect({ statementTimeoutMs: 60_000 })
    const gone = new AbortController()
    const isAbandoned = () => gone.signal.aborted

    const outcome = within(60_000, () => sleep(db), { isAbandoned }).catch((error: unknown) => error)
    const watching = observer()
    await eventually(async () => expect(await running(watching)).toBe(1))
    gone.abort()

    expect(await outcome).toMatchObject({ code: 'REQUEST_ABANDONED' })
    expect(await running(watching)).toBe(0)
  })
})

describe('a connection on which something was cancelled', () => {
  test('serves nobody else, so that a late cancellation hits no other statement', async () => {
    const db = connect()
    const pids = new Set<number | undefined>()

    // Statements that end about when they are cancelled: some before it, some after.
    for (let at = 0; at < 20; at += 1) {
      pids.add(await backend(db))
      await within(1, () => sleep(db, 0.04 + at / 1000)).catch(() => {})
      expect(await one(db)).toEqual([{ one: 1 }])
    }

    expect(pids.size).toBeGreaterThan(5)
  })

  test('is that of one caller: lookups that share one are let alone', async () => {
    const db = connect()
    const waitFor = lookup((kysely: Kysely<never>, seconds: number) =>
      kysely.selectNoFrom(sql`pg_sleep(${seconds})`.as('slept')),
    )
    await waitFor(db, 0)

    const outcomes = await Promise.allSettled([
      within(200, () => waitFor(db, 0.4)),
      within(60_000, () => waitFor(db, 0.1)),
    ])

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  })
})

test('what goes on after the answer has no deadline', async () => {
  const db = connect()
  const work = { correlationId: undefined, trace: undefined, deadlineMs: performance.now() + 100 }

  const outcome = runAs(work, async () => {
    const slept = sleep(db, 0.3)
    work.deadlineMs = Number.POSITIVE_INFINITY
    await slept
    return await one(db)
  })

  expect(await outcome).toEqual([{ one: 1 }])
})
