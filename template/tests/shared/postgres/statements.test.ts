import { describe, expect, test } from 'bun:test'
import type { DatabaseOptions } from '@kiln/shared/postgres'
import { type Kysely, sql } from 'kysely'
import { testConnections } from './support/test-connections.ts'

interface Tables {
  notes: { id: number; text: string }
}

const connect = testConnections<Tables>('statements')

async function withNotes(options: Partial<DatabaseOptions> = {}): Promise<Kysely<Tables>> {
  const db = connect(options)
  await sql`drop table if exists notes`.execute(db)
  await sql`create table notes (id bigint primary key, text text)`.execute(db)
  await db.insertInto('notes').values({ id: 1, text: 'kept' }).execute()
  return db
}

const readNote = (db: Kysely<Tables>, id = 1) =>
  db.selectFrom('notes').selectAll().where('id', '=', id).executeTakeFirst()
const preparedOn = async (db: Kysely<Tables>) =>
  (await sql<{ statement: string }>`select statement from pg_prepared_statements`.execute(db)).rows.map(
    ({ statement }) => statement,
  )

describe('a statement with parameters', () => {
  test('is prepared once, under a name, on its connection', async () => {
    const db = await withNotes()

    for (const id of [1, 2, 3]) await readNote(db, id)

    const statements = await preparedOn(db)
    expect(statements.filter((statement) => statement.startsWith('select * from "notes"'))).toHaveLength(1)
  })

  test('is not prepared behind a pooler that cannot keep it', async () => {
    const db = await withNotes({ prepared: false })

    expect(await readNote(db)).toEqual({ id: 1, text: 'kept' })
    expect(await preparedOn(db)).toEqual([])
  })

  test('beyond five hundred different ones is run without a name', async () => {
    const db = await withNotes()

    for (let index = 0; index < 510; index += 1) {
      await sql`select ${index}::int + ${sql.raw(String(index))} as sum`.execute(db)
    }

    expect((await preparedOn(db)).length).toBeLessThanOrEqual(500)
    expect(await readNote(db)).toEqual({ id: 1, text: 'kept' })
  })
})

describe('a column that is added under a prepared statement', () => {
  const addColumn = (db: Kysely<Tables>) => sql`alter table notes add column extra int default 7`.execute(db)

  test('is not noticed outside of a transaction', async () => {
    const db = await withNotes()
    await readNote(db)
    await addColumn(db)

    expect(await readNote(db)).toMatchObject({ id: 1, extra: 7 })
    expect(await readNote(db)).toMatchObject({ id: 1, extra: 7 })
  })

  test('fails a transaction, and the next one works', async () => {
    const [db, other] = [await withNotes(), connect()]
    await readNote(db)
    await addColumn(other)

    const first = db.transaction().execute((trx) => readNote(trx))
    await expect(first).rejects.toMatchObject({ code: '0A000' })
    const second = await db.transaction().execute((trx) => readNote(trx))

    expect(second).toMatchObject({ id: 1, extra: 7 } as object)
  })
})

describe('a number', () => {
  test('of 53 bits in a bigint is a number', async () => {
    const { rows } =
      await sql`select 9007199254740991::bigint as most, -9007199254740991::bigint as least`.execute(
        connect(),
      )

    expect(rows).toEqual([{ most: 9007199254740991, least: -9007199254740991 }])
  })

  test.each([['9007199254740992'], ['-9007199254740993'], ['9223372036854775807']])(
    'as large as %s is an error, not another number',
    async (value) => {
      const db = connect()

      const read = sql`select ${value}::bigint as value`.execute(db)

      await expect(read).rejects.toThrow('does not fit 53 bits')
      expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }])
    },
  )
})
