import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { postgresInbox, pruneInbox } from '@kiln/shared/postgres'
import { eventually } from '@kiln/shared/testing'
import { type Kysely, sql } from 'kysely'
import { createSharedDatabase } from '../events/support/shared-database.ts'

const forEver = new AbortController().signal
const identity = (id: string, group = 'group') => ({ group, source: 'source', id })

let database: Awaited<ReturnType<typeof createSharedDatabase>>
let first: Kysely<Record<string, never>>
let second: Kysely<Record<string, never>>
beforeAll(async () => {
  database = await createSharedDatabase({ clients: 2 })
  const [one, other] = database.clients
  first = one as typeof first
  second = other as typeof second
  await sql`create table effects (name text not null)`.execute(first)
})
beforeEach(() => sql`truncate effects, inbox`.execute(first))
afterAll(() => database.close())

const write = (db: Kysely<Record<string, never>>, name: string) =>
  sql`insert into effects values (${name})`.execute(db)
const effects = async () => (await sql<{ name: string }>`select name from effects`.execute(first)).rows
const handled = async () => {
  const { rows } = await sql<{ event_id: string }>`select event_id from inbox order by 1`.execute(first)
  return rows.map(({ event_id }) => event_id)
}
const someoneWaits = () =>
  eventually(async () => {
    const { rows } = await sql`select 1 from pg_locks where not granted`.execute(first)
    expect(rows).not.toEqual([])
  })

describe('the inbox', () => {
  test('says which events are fresh, each once', async () => {
    const inbox = postgresInbox(first)
    const told: (readonly number[])[] = []
    const work = async (_trx: unknown, fresh: readonly number[]) => void told.push(fresh)

    await inbox.handle([identity('a'), identity('b'), identity('a')], forEver, work)
    await inbox.handle([identity('b'), identity('c'), identity('b', 'other')], forEver, work)
    await inbox.handle([identity('a'), identity('c')], forEver, work)

    expect(told).toEqual([
      [0, 1],
      [1, 2],
    ])
  })

  test('lets a second process wait for the first and find the event handled', async () => {
    const [may, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const one = postgresInbox(first).handle([identity('a')], forEver, async (trx) => {
      await write(trx, 'first')
      begun.resolve()
      await may.promise
    })
    await begun.promise
    const other = postgresInbox(second).handle([identity('a')], forEver, async (trx) => {
      await write(trx, 'second')
    })
    await someoneWaits()

    may.resolve()
    await Promise.all([one, other])

    expect(await effects()).toEqual([{ name: 'first' }])
  })

  test('lets a second process take the event when the first rolls back', async () => {
    const [may, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const one = postgresInbox(first).handle([identity('a')], forEver, async (trx) => {
      await write(trx, 'first')
      begun.resolve()
      await may.promise
      throw new Error('first failed')
    })
    await begun.promise
    const other = postgresInbox(second).handle([identity('a')], forEver, async (trx) => {
      await write(trx, 'second')
    })
    await someoneWaits()

    may.resolve()

    await expect(one).rejects.toThrow('first failed')
    await other
    expect(await effects()).toEqual([{ name: 'second' }])
  })

  test('does not lock out a batch that shares events in another order', async () => {
    const ids = Array.from({ length: 200 }, (_, n) => identity(`event-${n}`))
    const batch = (n: number) => {
      const some = ids.filter((_, at) => (at + n) % 3 > 0)
      return n % 2 === 0 ? some : some.toReversed()
    }
    let fresh = 0
    const work = async (_trx: unknown, indexes: readonly number[]) => {
      fresh += indexes.length
    }

    await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        postgresInbox(n % 2 ? first : second).handle(batch(n), forEver, work),
      ),
    )

    expect(fresh).toBe(200)
  })

  test('rolls back at once when the signal aborts, whatever the handler had queued', async () => {
    const abort = new AbortController()
    const ends: Promise<unknown>[] = []
    const queue = (trx: Kysely<Record<string, never>>, name: string) =>
      ends.push(
        write(trx, name).then(
          () => 'written',
          ({ message }) => message,
        ),
      )

    const handling = postgresInbox(first).handle([identity('a')], abort.signal, async (trx) => {
      await write(trx, 'before')
      for (let n = 0; n < 50; n++) queue(trx, `queued ${n}`)
      abort.abort(new Error('too late'))
      for (let n = 0; n < 50; n++) {
        queue(trx, `after ${n}`)
        await Promise.resolve()
      }
      await new Promise(() => {})
    })

    await expect(handling).rejects.toThrow('too late')
    expect((await Promise.all(ends)).at(-1)).toBe('Transaction is already rolled back')
    expect(await effects()).toEqual([])
    expect(await handled()).toEqual([])
  })

  test('refuses a statement that the handler did not wait for', async () => {
    let late: Promise<unknown> = Promise.resolve()

    await postgresInbox(first).handle([identity('a')], forEver, async (trx) => {
      await write(trx, 'awaited')
      late = new Promise((resolve) => setTimeout(resolve, 20)).then(() => write(trx, 'late'))
    })

    await expect(late).rejects.toThrow('Transaction is already committed')
    expect(await effects()).toEqual([{ name: 'awaited' }])
  })

  test('fails when the handler has swallowed an error of the database', async () => {
    const handling = postgresInbox(first).handle([identity('a')], forEver, async (trx) => {
      await write(trx, 'before')
      await sql`insert into effects values (null)`.execute(trx).catch(() => {})
    })

    await expect(handling).rejects.toThrow()
    expect(await effects()).toEqual([])
    expect(await handled()).toEqual([])
  })

  test('fails as the database does when its connection is ended, and works with the next', async () => {
    const inbox = postgresInbox(first)
    const handling = inbox.handle([identity('a')], forEver, async (trx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
      await sql`select pg_terminate_backend(${rows[0]?.pid}::int)`.execute(second)
    })

    await expect(handling).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await inbox.handle([identity('a')], forEver, async (trx) => void (await write(trx, 'again')))
    expect(await effects()).toEqual([{ name: 'again' }])
  })

  test('knows under its new name what a group has handled under its old one', async () => {
    const inbox = postgresInbox(first)
    await inbox.handle([identity('a', 'old.group')], forEver, async () => {})

    await inbox.rename('old.group', 'new.group')

    const again = async (trx: Kysely<Record<string, never>>) => void (await write(trx, 'again'))
    await inbox.handle([identity('a', 'new.group')], forEver, again)
    expect(await effects()).toEqual([])
  })

  test('forgets what was handled long ago, in small transactions, and nothing else', async () => {
    await sql`insert into inbox select 'group', 'source', n::text, to_timestamp(n) from generate_series(0, 99) n`.execute(
      first,
    )

    const pruned = await pruneInbox(first, { olderThanMs: 10_000, now: () => 100_000, batch: 7 })

    expect(pruned).toBe(90)
    expect(await handled()).toEqual(Array.from({ length: 10 }, (_, n) => `${n + 90}`))
  })

  test('finds what to forget by an index', async () => {
    await pruneInbox(first, { olderThanMs: 0 })

    const scans = await database.statements.thatScan()

    expect(scans.filter((statement) => statement.startsWith('delete'))).toEqual([])
  })
})
