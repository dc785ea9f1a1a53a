import { describe, expect, test } from 'bun:test'
import { lookup } from '@kiln/shared/postgres'
import { createBreakers } from '@kiln/shared/resilience'
import { eventually } from '@kiln/shared/testing'
import { type Kysely, sql } from 'kysely'
import { isDatabaseAway } from '../../../../shared/events/errors.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { testConnections } from './support/test-connections.ts'

const connect = testConnections<never>('breaker')
const one = async (db: Kysely<never>) => (await sql`select 1 as one`.execute(db)).rows
const lookUpOne = lookup((db: Kysely<never>, text: string) => db.selectNoFrom(sql`${text}`.as('one')))
const nowhere = 'postgres://postgres@127.0.0.1:1/nothing'

const guard = (openMs = 60_000) => createBreakers({ breakerFailures: 3, breakerOpenMs: openMs }).database
const failuresOf = async (count: number, work: () => Promise<unknown>) => {
  const failures: unknown[] = []
  for (let at = 0; at < count; at += 1) failures.push(await work().catch((error: unknown) => error))
  return failures
}

describe('a database that is away', () => {
  test.each([
    ['a statement', one],
    ['a lookup', (db: Kysely<never>) => lookUpOne(db, 'x')],
    ['a transaction', (db: Kysely<never>) => db.transaction().execute(one)],
  ])('is not asked by %s any more', async (_, work) => {
    const breaker = guard()
    const db = connect({ url: nowhere, breaker })
    const failures = await failuresOf(3, () => work(db))

    const refused = await work(db).catch((error: unknown) => error)

    expect(breaker.state).toBe('open')
    expect(failures.map((error) => (error as { cause: { code: string } }).cause.code)).toEqual(
      Array(3).fill('ECONNREFUSED'),
    )
    expect(refused).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      isBrokenCircuitError: true,
      headers: { 'retry-after': '60' },
    })
    expect(isDatabaseAway(refused)).toBe(true)
  })

  test('that comes back is asked by one, and then by all', async () => {
    const breaker = guard(10)
    const proxy = await startTcpProxy(process.env.TEST_DATABASE_URL ?? '')
    const db = connect({ url: proxy.url, poolMax: 4, breaker })
    await one(db)

    proxy.refuse()
    await failuresOf(5, () => one(db))
    const during = breaker.state
    proxy.accept()
    await eventually(async () => expect(await one(db)).toEqual([{ one: 1 }]))

    expect(during).not.toBe('closed')
    expect(breaker.state).toBe('closed')
    expect(await Promise.all([one(db), one(db), one(db)])).toHaveLength(3)
    await proxy.close()
  })
})

describe('a database that answers', () => {
  test.each([
    ['a violated constraint', sql`insert into pg_temp.t values (1)`],
    ['a wrong statement', sql`select no_such_column`],
    ['a number that does not fit', sql`select 9007199254740993::bigint`],
  ])('is asked on after %s', async (_, statement) => {
    const breaker = guard()
    const db = connect({ breaker })
    await sql`create temp table t (id int primary key)`.execute(db)
    await sql`insert into pg_temp.t values (1)`.execute(db)

    const failures = await failuresOf(5, () => statement.execute(db))

    expect(failures.every((error) => error instanceof Error)).toBe(true)
    expect(breaker.state).toBe('closed')
    expect(await one(db)).toEqual([{ one: 1 }])
  })

  test('lets a transaction that has its connection go on, though the breaker has opened', async () => {
    const breaker = guard()
    const db = connect({ breaker })

    const rows = await db.transaction().execute(async (trx) => {
      await one(trx)
      for (let at = 0; at < 3; at += 1) breaker.failed(new Error('away'))
      await eventually(() => expect(breaker.state).toBe('open'))
      return await one(trx)
    })

    expect(rows).toEqual([{ one: 1 }])
  })
})
