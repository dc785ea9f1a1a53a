import { type Kysely, sql } from 'kysely'
import { sharedTables } from '../tables.ts'
import { locks, upkeep } from './locks.ts'
import type { Db, Trx } from './rows.ts'

const dayMs = 86_400_000
const daysAhead = 2
/** Whoever writes to the archive waits behind a lock that is waited for. */
const lockTimeout = '200ms'

export interface KeepArchiveOptions {
  /** Whole days that are kept beside today. Default 7. */
  readonly keepDays?: number
  /** Milliseconds since 1970. Default: the database's own clock, which also decides into which day a row goes. */
  readonly now?: () => number
}

export interface ArchiveKept {
  /** Partitions by name. */
  readonly created: readonly string[]
  readonly dropped: readonly string[]
  /** Too old, but in use: to be dropped next time. */
  readonly postponed: readonly string[]
}

/**
 * Makes the archive's partitions for today and two days ahead (UTC) and drops those that are too old. Run it hourly, in any
 * process, at the same time too.
 *
 * Archiving and reading are never held up for longer than 200 ms.
 *
 * @throws what the database throws, also when a lock that creating needs is not to be had in that time.
 */
export async function keepArchive<Schema>(
  database: Kysely<Schema>,
  { keepDays = 7, now }: KeepArchiveOptions = {},
): Promise<ArchiveKept> {
  const db = sharedTables(database).withoutPlugins()
  const today = Math.floor((now?.() ?? (await databaseTime(db))) / dayMs)
  const existing = new Set(await partitions(db))
  const wanted = Array.from({ length: daysAhead + 1 }, (_, ahead) => today + ahead)
  const missing = wanted.filter((day) => !existing.has(nameOf(day)))
  const created = missing.length > 0 ? await create(db, missing) : []
  const old = [...existing].filter((name) => name < nameOf(today - keepDays))
  const dropped: string[] = []
  for (const name of old) if (await drop(db, name)) dropped.push(name)
  return { created, dropped, postponed: old.filter((name) => !dropped.includes(name)) }
}

/** True when a row found no partition for its day. */
export function isPartitionMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23514'
}

function nameOf(day: number): string {
  return `outbox_archive_${dateOf(day).replaceAll('-', '')}`
}

function dateOf(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10)
}

async function databaseTime(db: Db): Promise<number> {
  const { rows } = await sql<{ ms: number }>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`.execute(db)
  return Number(rows[0]?.ms)
}

async function partitions(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'outbox_archive'::regclass and relname like 'outbox\_archive\_%'
    order by relname`.execute(db)
  return rows.map(({ name }) => name)
}

/** Attaching lets others read and write the archive meanwhile; creating it as a partition at once would not. */
async function create(db: Db, days: readonly number[]): Promise<readonly string[]> {
  return await db.transaction().execute(async (trx) => {
    // Nobody is held up by one who waits for this.
    await sql`select pg_advisory_xact_lock(${sql.lit(locks.upkeep)}, ${sql.lit(upkeep.partitions)})`.execute(
      trx,
    )
    await limitWaiting(trx)
    const existing = await partitions(trx)
    const missing = days.filter((day) => !existing.includes(nameOf(day)))
    for (const day of missing) {
      const name = sql.table(nameOf(day))
      await sql`create table ${name} (like outbox_archive including defaults including constraints)`.execute(
        trx,
      )
      await sql`
        alter table outbox_archive attach partition ${name}
        for values from (${sql.lit(`${dateOf(day)} 00:00:00+00`)}) to (${sql.lit(`${dateOf(day + 1)} 00:00:00+00`)})
      `.execute(trx)
    }
    return missing.map(nameOf)
  })
}

async function drop(db: Db, name: string): Promise<boolean> {
  try {
    await db.transaction().execute(async (trx) => {
      await limitWaiting(trx)
      await sql`drop table if exists ${sql.table(name)}`.execute(trx)
    })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === '55P03') return false
    throw error
  }
}

async function limitWaiting(trx: Trx): Promise<void> {
  await sql`select set_config('lock_timeout', ${sql.lit(lockTimeout)}, true)`.execute(trx)
}
