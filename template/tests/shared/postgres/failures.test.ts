import { describe, expect, test } from 'bun:test'
import { AppError } from '@kiln/shared/errors'
import { asDatabaseFailure } from '@kiln/shared/postgres'
import { type Kysely, sql } from 'kysely'
import { until } from '../../support/processes.ts'
import { testConnections } from './support/test-connections.ts'

const connect = testConnections<never>('failures')
/** Somebody else's connection, which is not ended. */
const observe = () => connect({ applicationName: 'observer' })

const endConnections = () =>
  sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'failures'`.execute(
    observe(),
  )
const one = async (db: Kysely<never>) => (await sql`select 1 as one`.execute(db)).rows
const sleep = (db: Kysely<never>) => sql`select pg_sleep(${10})`.execute(db)

describe('a statement', () => {
  test('that runs too long is ended by the server', async () => {
    const db = connect({ statementTimeoutMs: 50 })
    const startedAtMs = performance.now()

    await expect(sleep(db)).rejects.toMatchObject({
      code: 'DATABASE_TIMEOUT',
      headers: { 'retry-after': '1' },
    })

    expect(performance.now() - startedAtMs).toBeLessThan(1000)
    expect(await one(db)).toEqual([{ one: 1 }])
  })

  test('that is wrong rises as it is', async () => {
    const db = connect()

    await expect(sql`select no_such_column`.execute(db)).rejects.toMatchObject({ code: '42703' })
    await expect(sql`select ${'x'}::int`.execute(db)).rejects.toMatchObject({ code: '22P02' })
  })

  test('whose connection is ended meanwhile fails, and the next one works', async () => {
    const [db, observer] = [connect(), observe()]

    const slow = sleep(db).catch((error: unknown) => error)
    await until('the statement to run', async () => {
      const { rows } =
        await sql`select 1 from pg_stat_activity where query like 'select pg_sleep($1)%'`.execute(observer)
      return rows.length > 0
    })
    await endConnections()

    expect(await slow).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(await one(db)).toEqual([{ one: 1 }])
  })

  test('in a transaction whose connection was ended fails, and the next one works', async () => {
    const db = connect()

    const broken = db.transaction().execute(async (trx) => {
      await one(trx)
      await endConnections()
      return await one(trx)
    })

    await expect(broken).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(await one(db)).toEqual([{ one: 1 }])
  })
})

test('an idle connection that the server ends is reported and replaced', async () => {
  const reported: Error[] = []
  const db = connect({ onIdleError: (error) => reported.push(error) })
  await one(db)

  await endConnections()
  await until('the report', () => reported.length > 0)

  expect(reported).toHaveLength(1)
  expect(await one(db)).toEqual([{ one: 1 }])
})

test('nobody waits for a connection longer than the limit', async () => {
  const db = connect({ connectTimeoutMs: 500 })
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const busy = db.transaction().execute(async (trx) => {
    await one(trx)
    await held
  })

  await expect(one(db)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })

  release()
  await busy
  expect(await one(db)).toEqual([{ one: 1 }])
})

test('a server that is not there is known at once', async () => {
  const db = connect({ url: 'postgres://postgres@127.0.0.1:1/nothing' })

  await expect(one(db)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
})

test('a mistake of our own is not the database’s', () => {
  const mistakes = [
    new RangeError('too large'),
    new TypeError('not a function'),
    new AppError('USER_NOT_FOUND', 'x'),
  ]

  expect(mistakes.map(asDatabaseFailure)).toEqual(mistakes)
})
