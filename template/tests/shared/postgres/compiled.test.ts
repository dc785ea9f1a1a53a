import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { compiled, connectDatabase } from '@kiln/shared/postgres'
import { type Generated, type Insertable, type Kysely, sql } from 'kysely'
import { createTestDatabase, type TestDatabase } from '../../../../tests/support/database.ts'

interface Things {
  id: Generated<number>
  name: string
  note: string | null
}

interface Schema {
  thing: Things
}

describe('a compiled statement', () => {
  let database: TestDatabase
  let db: Kysely<Schema>

  beforeAll(async () => {
    database = await createTestDatabase()
    db = connectDatabase<Schema>({
      url: database.url,
      applicationName: 'compiled-test',
      poolMax: 2,
      connectTimeoutMs: 5_000,
      statementTimeoutMs: 5_000,
      prepared: true,
    })
    await sql`create table thing (id int generated always as identity primary key, name text, note text)`.execute(
      db,
    )
  })

  afterAll(async () => {
    await db.destroy()
    await database.drop()
  })

  test('is built once and takes the values of each call', async () => {
    let built = 0
    const insert = compiled((on: Kysely<Schema>, row: Insertable<Things>) => {
      built += 1
      return on.insertInto('thing').values(row).returning(['name', 'note'])
    })

    const first = await insert(db, { name: 'one', note: null })
    const second = await insert(db, { note: 'long', name: 'two' })

    expect(built).toBe(1)
    expect(first).toEqual([{ name: 'one', note: null }])
    expect(second).toEqual([{ name: 'two', note: 'long' }])
  })

  test('is part of the transaction that it is given', async () => {
    const insert = compiled((on: Kysely<Schema>, name: string) => on.insertInto('thing').values({ name }))

    const failed = db.transaction().execute(async (trx) => {
      await insert(trx, 'undone')
      throw new Error('no')
    })

    await expect(failed).rejects.toThrow('no')
    const rows = await db.selectFrom('thing').where('name', '=', 'undone').selectAll().execute()
    expect(rows).toEqual([])
  })

  test.each([
    ['one less', { name: 'three' }],
    ['another', { name: 'three', id: 3 }],
    ['one more', { name: 'three', note: null, id: 3 }],
  ])('refuses a row with %s column than the first: none is left out in silence', async (_, row) => {
    const insert = compiled((on: Kysely<Schema>, values: Insertable<Things>) =>
      on.insertInto('thing').values(values),
    )
    await insert(db, { name: 'first', note: null })

    const inserting = insert(db, row)

    await expect(inserting).rejects.toThrow(/takes the columns name,note, not name/)
  })
})
