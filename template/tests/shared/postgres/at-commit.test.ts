import { describe, expect, test } from 'bun:test'
import { runAs } from '@kiln/shared/context'
import { type Kysely, sql } from 'kysely'
import { atCommit } from '../../../../shared/postgres/at-commit.ts'
import type { EndedQuery } from '../../../../shared/postgres/query-observer.ts'
import { testConnections } from './support/test-connections.ts'

interface Tables {
  notes: { id: number }
}

const connect = testConnections<Tables>('at_commit')
const note = atCommit((db: Kysely<Tables>, row: { id: number }) => db.insertInto('notes').values(row))
const ids = async (db: Kysely<Tables>) =>
  (await db.selectFrom('notes').select('id').orderBy('id').execute()).map(({ id }) => Number(id))

/** @param known whether the one connection has prepared the statement before. */
async function withNotes(known: boolean, observe?: (query: EndedQuery) => void): Promise<Kysely<Tables>> {
  const db = connect({ poolMax: 1, ...(observe && { observe }) })
  await sql`drop table if exists notes`.execute(db)
  await sql`create table notes (id bigint primary key)`.execute(db)
  await db.transaction().execute((trx) => trx.insertInto('notes').values({ id: 1 }).execute())
  if (known) await db.transaction().execute((trx) => note(trx, { id: 0 }))
  await sql`delete from notes where id = 0`.execute(db)
  return db
}

describe.each([true, false])('a write at commit (known to its connection: %p)', (known) => {
  test('is kept with the transaction, and not seen in it', async () => {
    const db = await withNotes(known)

    const seen = await db.transaction().execute(async (trx) => {
      await note(trx, { id: 2 })
      await note(trx, { id: 3 })
      return await ids(trx)
    })

    expect(seen).toEqual([1])
    expect(await ids(db)).toEqual([1, 2, 3])
  })

  test('is sent with the commit, and observed as the statement that it is', async () => {
    const ended: EndedQuery[] = []
    const db = await withNotes(known, (query) => ended.push(query))
    ended.length = 0

    await db.transaction().execute(async (trx) => {
      await trx.insertInto('notes').values({ id: 2 }).execute()
      await Promise.all([note(trx, { id: 3 }), note(trx, { id: 4 })])
    })

    const summaries = ['BEGIN', 'INSERT notes', 'INSERT notes', 'INSERT notes', 'COMMIT']
    expect(ended.map(({ statement }) => statement.summary)).toEqual(summaries)
    expect(ended.at(-2)?.statement.sql).toStartWith('insert')
    // What leaves in one packet begins and ends together.
    const times = ended.slice(-3, -1).map(({ startedAtMs, endedAtMs }) => `${startedAtMs} ${endedAtMs}`)
    expect(times[0] === times[1]).toBe(known)
  })

  test('that fails fails the commit, and nothing is kept', async () => {
    const db = await withNotes(known)

    const failing = db.transaction().execute(async (trx) => {
      await trx.insertInto('notes').values({ id: 2 }).execute()
      await note(trx, { id: 3 })
      await note(trx, { id: 1 })
      await note(trx, { id: 4 })
    })

    await expect(failing).rejects.toMatchObject({ code: '23505' })
    expect(await ids(db)).toEqual([1])
  })

  test('is not sent where the transaction is rolled back', async () => {
    const ended: EndedQuery[] = []
    const db = await withNotes(known, (query) => ended.push(query))
    ended.length = 0

    const failing = db.transaction().execute(async (trx) => {
      await note(trx, { id: 2 })
      throw new Error('changed our mind')
    })

    await expect(failing).rejects.toThrow('changed our mind')
    expect(ended.map(({ statement }) => statement.operation)).not.toContain('INSERT')
    expect(await ids(db)).toEqual([1])
  })

  test('belongs to the savepoint under which it was made', async () => {
    const db = await withNotes(known)

    const open = await db.startTransaction().execute()
    await note(open, { id: 2 })
    const saved = await open.savepoint('saved').execute()
    await note(saved, { id: 3 })
    const back = await saved.rollbackToSavepoint('saved').execute()
    await note(back, { id: 4 })
    await back.commit().execute()

    expect(await ids(db)).toEqual([1, 2, 4])
  })

  test('begins the transaction that has nothing else', async () => {
    const db = await withNotes(known)

    await db.transaction().execute((trx) => note(trx, { id: 2 }))
    const failing = db.transaction().execute(async (trx) => {
      await note(trx, { id: 3 })
      await note(trx, { id: 1 })
    })

    await expect(failing).rejects.toMatchObject({ code: '23505' })
    expect(await ids(db)).toEqual([1, 2])
  })

  test('of work whose time is up is not kept, nor anything with it', async () => {
    const db = await withNotes(known)
    const work = { correlationId: 'late', trace: undefined, deadlineMs: performance.now() + 60_000 }

    const committing = runAs(work, () =>
      db.transaction().execute(async (trx) => {
        await trx.insertInto('notes').values({ id: 2 }).execute()
        await note(trx, { id: 3 })
        work.deadlineMs = 0
      }),
    )

    await expect(committing).rejects.toMatchObject({ code: 'REQUEST_TIMEOUT' })
    expect(await ids(db)).toEqual([1])
  })

  test('outside a transaction is there when it has answered', async () => {
    const db = await withNotes(known)

    await note(db, { id: 2 })

    expect(await ids(db)).toEqual([1, 2])
  })

  test('after the end of its transaction is refused', async () => {
    const db = await withNotes(known)

    const open = await db.startTransaction().execute()
    await open.commit().execute()

    await expect(note(open, { id: 2 })).rejects.toThrow('committed')
    expect(await ids(db)).toEqual([1])
  })
})

test('a commit after a statement failed unheard is an error, and nothing is kept', async () => {
  const db = await withNotes(true)

  const committing = db.transaction().execute(async (trx) => {
    await note(trx, { id: 2 })
    await sql`select 1 / 0`.execute(trx).catch(() => {})
  })

  await expect(committing).rejects.toThrow()
  expect(await ids(db)).toEqual([1])
})
