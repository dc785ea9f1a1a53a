import { type ControlledTransaction, type Kysely, sql, type Transaction } from 'kysely'
import type { EventIdentity, Inbox } from '../events/inbox.ts'
import { sharedTables } from './tables.ts'

/**
 * Keeps what was handled in PostgreSQL, on any Kysely database; `migrateShared` makes its table.
 *
 * Each running handler holds a connection. Another process that has begun with the same event makes this one wait for
 * its end: after a commit there is nothing left to do, after a rollback the event is ours.
 */
export function postgresInbox<Schema>(db: Kysely<Schema>): Inbox<Transaction<Schema>> {
  return {
    async handle(events, signal, work) {
      signal.throwIfAborted()
      // A controlled transaction rolls back behind the statements it was given, and refuses every later one; the other
      // kind would run those on the released connection, outside the transaction.
      const trx = await db.startTransaction().execute()
      try {
        signal.throwIfAborted()
        await unlessAborted(signal, () => markAndWork(trx, events, work))
        await trx.commit().execute()
      } catch (error) {
        await rollBack(trx)
        throw error
      }
    },
    async rename(from, to) {
      await sql`update inbox set group_name = ${to} where group_name = ${from}`.execute(db)
    },
  }
}

/**
 * Forgets what was handled longer ago, in small transactions.
 *
 * An event that comes again after that is handled again: keep it longer than streams, dead letters and archive.
 *
 * @returns how many rows are gone.
 */
export async function pruneInbox<Schema>(
  database: Kysely<Schema>,
  options: { readonly olderThanMs: number; readonly now?: () => number; readonly batch?: number },
): Promise<number> {
  const { olderThanMs, now = Date.now, batch = 5000 } = options
  const db = sharedTables(database)
  const before = new Date(now() - olderThanMs)
  for (let pruned = 0; ; ) {
    const { numAffectedRows = 0n } = await sql`delete from inbox where ctid = any(array(
      select ctid from inbox where handled_at < ${before} order by handled_at limit ${batch}))`.execute(db)
    pruned += Number(numAffectedRows)
    if (numAffectedRows < batch) return pruned
  }
}

async function markAndWork<Schema>(
  trx: Transaction<Schema>,
  events: readonly EventIdentity[],
  work: (trx: Transaction<Schema>, fresh: readonly number[]) => Promise<void>,
): Promise<void> {
  const fresh = await mark(trx, events)
  if (fresh.length > 0) await work(trx, fresh)
}

/** Inserted in one order by everybody, so that two batches with the same events cannot lock each other out. */
async function mark<Schema>(
  trx: Transaction<Schema>,
  events: readonly EventIdentity[],
): Promise<readonly number[]> {
  const groups = events.map(({ group }) => group)
  const sources = events.map(({ source }) => source)
  const ids = events.map(({ id }) => id)
  const { rows } = await sql<{ group_name: string; source: string; event_id: string }>`
    insert into inbox (group_name, source, event_id)
    select distinct group_name, source, event_id
    from unnest(${groups}::text[], ${sources}::text[], ${ids}::text[]) as given (group_name, source, event_id)
    order by group_name, source, event_id
    on conflict do nothing
    returning group_name, source, event_id`.execute(trx)
  const inserted = new Set(
    rows.map(({ group_name: group, source, event_id: id }) => keyOf({ group, source, id })),
  )
  return events.flatMap((event, index) => (inserted.delete(keyOf(event)) ? [index] : []))
}

function keyOf({ group, source, id }: EventIdentity): string {
  return JSON.stringify([group, source, id])
}

async function rollBack<Schema>(trx: ControlledTransaction<Schema>): Promise<void> {
  try {
    await trx.rollback().execute()
  } catch {
    // The connection is lost, and the transaction with it: why is known from the error before.
  }
}

/** Ends with `run`, or as soon as the signal aborts; what `run` does after that is nobody's concern. */
async function unlessAborted(signal: AbortSignal, run: () => Promise<void>): Promise<void> {
  let abort = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    await Promise.race([run(), aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
