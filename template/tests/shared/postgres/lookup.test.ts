import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connectDatabase, lookup } from '@kiln/shared/postgres'
import { type Kysely, sql } from 'kysely'
import { Client } from 'pg'
import { createTestDatabase, type TestDatabase } from '../../../../tests/support/database.ts'

interface Schema {
  thing: { id: number; name: string }
}

const applicationName = 'lookup-test'
const findThing = lookup((db: Kysely<Schema>, id: number) =>
  db.selectFrom('thing').selectAll().where('id', '=', id),
)
const waitFor = lookup((db: Kysely<Schema>, seconds: number) =>
  db.selectFrom('thing').select(sql`pg_sleep(${seconds})`.as('slept')),
)

describe('a lookup', () => {
  let database: TestDatabase
  let db: Kysely<Schema>
  let admin: Client
  const connectionCount = async () => {
    const { rows } = await admin.query('select from pg_stat_activity where application_name = $1', [
      applicationName,
    ])
    return rows.length
  }
  const endConnections = () =>
    admin.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
      applicationName,
    ])

  beforeAll(async () => {
    database = await createTestDatabase()
    admin = new Client({ connectionString: database.url })
    await admin.connect()
    await admin.query(
      `create table thing (id int primary key, name text); insert into thing values (1, 'one')`,
    )
    db = connectDatabase<Schema>({
      url: database.url,
      applicationName,
      poolMax: 8,
      connectTimeoutMs: 3000,
      statementTimeoutMs: 1000,
      prepared: true,
    })
  })
  afterAll(async () => {
    await db.destroy()
    await admin.end()
    await database.drop()
  })

  test('gives each caller its own rows, over few connections', async () => {
    const ids = Array.from({ length: 32 }, (_, index) => index % 2)

    const found = await Promise.all(ids.map((id) => findThing(db, id)))

    expect(found.map((rows) => rows.length)).toEqual(ids)
    expect(await connectionCount()).toBeLessThanOrEqual(2)
  })

  test('that the server refuses does not fail its neighbours', async () => {
    const outcomes = await Promise.allSettled([
      findThing(db, 1),
      findThing(db, 'one' as never),
      findThing(db, 1),
    ])

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  test('that takes too long is alone in it', async () => {
    const outcomes = await Promise.allSettled([findThing(db, 1), waitFor(db, 5), findThing(db, 1)])

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((outcomes[1] as PromiseRejectedResult).reason.code).toBe('DATABASE_TIMEOUT')
  })

  test('in a transaction sees what the transaction wrote, and others do not', async () => {
    const seen = await db
      .transaction()
      .execute(async (trx) => {
        await trx.insertInto('thing').values({ id: 2, name: 'two' }).execute()
        return [await findThing(trx, 2), await findThing(db, 2)]
      })
      .finally(() => db.deleteFrom('thing').where('id', '=', 2).execute())

    expect(seen.map((rows) => rows.length)).toEqual([1, 0])
  })

  test('fails when the server ends its connection, and the next one is answered', async () => {
    const outcomes = Promise.allSettled([
      waitFor(db, 0.5),
      findThing(db, 1),
      db.transaction().execute((trx) => sql`select pg_sleep(0.5)`.execute(trx)),
    ])
    await Bun.sleep(100)

    await endConnections()

    for (const outcome of await outcomes)
      expect((outcome as PromiseRejectedResult).reason?.code).toBe('DATABASE_UNAVAILABLE')
    expect(await findThing(db, 1)).toEqual([{ id: 1, name: 'one' }])
  })

  test('survives a migration that changes its columns', async () => {
    await findThing(db, 1)

    await admin.query('alter table thing add column color text')

    expect(await findThing(db, 1)).toEqual([{ id: 1, name: 'one', color: null }] as never)
  })
})
