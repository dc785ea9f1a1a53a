import { describe, expect, test } from 'bun:test'
import { type Kysely, sql } from 'kysely'
import { testConnections } from './support/test-connections.ts'

interface Tables {
  notes: { id: number }
}

const connect = testConnections<Tables>('transactions')

/** One connection, on which a transaction has begun before: from then on `begin` goes with the first statement. */
async function withNotes(): Promise<Kysely<Tables>> {
  const db = connect({ poolMax: 1 })
  await sql`drop table if exists notes`.execute(db)
  await sql`create table notes (id bigint primary key)`.execute(db)
  await db.transaction().execute((trx) => insert(trx, 1))
  return db
}

const insert = (db: Kysely<Tables>, id: number) => db.insertInto('notes').values({ id }).execute()
const ids = async (db: Kysely<Tables>) =>
  (await db.selectFrom('notes').select('id').orderBy('id').execute()).map(({ id }) => id)
const isolation = (db: Kysely<Tables>) => sql<object>`show transaction_isolation`.execute(db)
const stop = () => {
  throw new Error('stop')
}

describe('a transaction', () => {
  test('takes its first statement back with the others', async () => {
    const db = await withNotes()

    const failing = db.transaction().execute(async (trx) => {
      await insert(trx, 2)
      await insert(trx, 3)
      stop()
    })

    await expect(failing).rejects.toThrow('stop')
    expect(await ids(db)).toEqual([1])
  })

  test('begins before all of the statements that are sent at once', async () => {
    const db = await withNotes()

    const failing = db.transaction().execute(async (trx) => {
      await Promise.all([insert(trx, 2), insert(trx, 3), insert(trx, 1)])
    })

    await expect(failing).rejects.toMatchObject({ code: '23505' })
    expect(await ids(db)).toEqual([1])
  })

  test('whose first statement fails leaves the next one whole', async () => {
    const db = await withNotes()

    await expect(db.transaction().execute((trx) => insert(trx, 1))).rejects.toMatchObject({ code: '23505' })
    await db.transaction().execute((trx) => insert(trx, 2))

    expect(await ids(db)).toEqual([1, 2])
  })

  test('begins before a statement without parameters, and before a savepoint', async () => {
    const db = await withNotes()

    const failing = db.transaction().execute(async (trx) => {
      await sql`insert into notes values (2)`.execute(trx)
      stop()
    })
    await expect(failing).rejects.toThrow('stop')
    const controlled = await db.startTransaction().execute()
    const saved = await controlled.savepoint('before').execute()
    await insert(saved, 3)
    await saved.rollbackToSavepoint('before').execute()
    await insert(saved, 4)
    await saved.commit().execute()

    expect(await ids(db)).toEqual([1, 4])
  })

  test('without a statement is nothing to the server', async () => {
    const db = await withNotes()

    const answers = await Promise.all([
      db.transaction().execute(async () => 'committed'),
      db
        .transaction()
        .execute(stop)
        .catch(() => 'rolled back'),
    ])

    expect(answers).toEqual(['committed', 'rolled back'])
    expect(await ids(db)).toEqual([1])
  })

  test('has the isolation that was asked for, and the next one its own', async () => {
    const db = await withNotes()

    const asked = await db.transaction().setIsolationLevel('serializable').execute(isolation)
    const next = await db.transaction().execute(isolation)

    expect(asked.rows).toEqual([{ transaction_isolation: 'serializable' }])
    expect(next.rows).toEqual([{ transaction_isolation: 'read committed' }])
  })
})
