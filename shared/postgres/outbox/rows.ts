import { type Kysely, sql, type Transaction } from 'kysely'
import type { SharedTables } from '../tables.ts'
import { bucketCount, locks } from './locks.ts'

export type Db = Kysely<SharedTables>
export type Trx = Transaction<SharedTables>

/** A row as a relay claims it; `event` is JSON text. */
export interface ClaimedRow {
  readonly id: number
  readonly key: string
  readonly event: string
}

/** A row whose event has its place in a stream. */
export interface SentRow {
  readonly id: number
  readonly tag: string
  readonly entryId: string
}

/** What a claim leaves alone. */
export interface Except {
  /** Rows up to this id are known to be gone. */
  readonly floor: number
  /** Rows that were sent and cannot be archived yet. */
  readonly ids: readonly number[]
  /** Domains whose stream is full. */
  readonly domains: readonly string[]
}

/** The buckets in which something waits: one look into the index for each. */
export async function waitingBuckets(db: Db, floor: number): Promise<readonly number[]> {
  const { rows } = await sql<{ bucket: number }>`
    select bucket from generate_series(0, ${sql.lit(bucketCount - 1)}) as bucket
    where exists (
      select from outbox where outbox.bucket = bucket.bucket and parked_at is null and id > ${floor}
    )`.execute(db)
  return rows.map(({ bucket }) => Number(bucket))
}

/**
 * Takes the first `maxCount` of these buckets that no other transaction has.
 *
 * The server ends the transaction, and so frees them, when it hears nothing for `idleTimeoutMs`. The table's statistics
 * are always out of date, so within the transaction every plan goes by an index.
 */
export async function lockBuckets(
  trx: Trx,
  buckets: readonly number[],
  { maxCount, idleTimeoutMs }: { readonly maxCount: number; readonly idleTimeoutMs: number },
): Promise<readonly number[]> {
  const set = (name: string, value: string) =>
    sql`set_config(${sql.lit(name)}, ${sql.lit(value)}, true) is not null`
  const settings = [
    set('idle_in_transaction_session_timeout', String(idleTimeoutMs)),
    ...['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin'].map((plan) => set(`enable_${plan}`, 'off')),
  ]
  const { rows } = await sql<{ bucket: number }>`
    select bucket from unnest(${buckets}::int[]) as bucket
    where (select ${sql.join(settings, sql` and `)})
      and pg_try_advisory_xact_lock(${sql.lit(locks.bucket)}, bucket)
    limit ${maxCount}`.execute(trx)
  return rows.map(({ bucket }) => Number(bucket))
}

export interface ClaimLimits {
  readonly perBucket: number
  /** At least one row is claimed. */
  readonly maxBytes: number
}

/** The oldest rows of buckets that this transaction has locked, by id; none behind a parked one of its key. */
export async function claimRows(
  trx: Trx,
  buckets: readonly number[],
  { floor, ids, domains }: Except,
  { perBucket, maxBytes }: ClaimLimits,
): Promise<readonly ClaimedRow[]> {
  const { rows } = await sql<{ id: unknown; key: string; event: string }>`
    select id, key, event from (
      select id, key, event, sum(octet_length(event)) over (order by id) - octet_length(event) as bytes_before
      from unnest(${buckets}::smallint[]) as bucket
      cross join lateral (
        select id, key, event::text as event from outbox
        where outbox.bucket = bucket.bucket and parked_at is null and id > ${floor}
          and id <> all(${ids}::bigint[]) and split_part(key, '/', 1) <> all(${domains}::text[])
          and not exists (
            select from outbox as parked
            where parked.parked_at is not null and parked.key = outbox.key and parked.id < outbox.id
          )
        order by id limit ${perBucket}
      ) as waiting
    ) as claimed
    where bytes_before < ${maxBytes}
    order by id`.execute(trx)
  return rows.map(({ id, key, event }) => ({ id: Number(id), key, event }))
}

/** Moves rows to the archive. A row that is not there any more, because another relay was faster, is left out. */
export async function archiveRows(db: Db, sent: readonly SentRow[]): Promise<void> {
  const parts = sent.map(({ entryId }) => entryId.split('-'))
  await sql`
    with moved as (
      delete from outbox
      using unnest(
        ${sent.map(({ id }) => id)}::bigint[], ${sent.map(({ tag }) => tag)}::text[],
        ${parts.map(([ms]) => ms)}::bigint[], ${parts.map(([, sequence]) => sequence)}::bigint[]
      ) as sent (id, tag, entry_ms, entry_seq)
      where outbox.id = sent.id
      returning outbox.id, event, created_at, tag, entry_ms, entry_seq
    )
    insert into outbox_archive (id, event, tag, entry_ms, entry_seq, created_at, sent_at)
    select id, event, tag, entry_ms, entry_seq, created_at, clock_timestamp() from moved order by id`.execute(
    db,
  )
}

/** Puts a row aside, and with it whatever comes after it under its key. */
export async function parkRow(trx: Trx, id: number, reason: string): Promise<void> {
  await sql`update outbox set parked_at = clock_timestamp(), parked_reason = ${reason} where id = ${id}`.execute(
    trx,
  )
}
