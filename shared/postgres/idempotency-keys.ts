import { type Kysely, sql } from 'kysely'
import { AppError } from '../errors.ts'
import type { IdempotencyStore, StoredAnswer } from '../http/idempotency.ts'
import { sharedTables } from './tables.ts'

/**
 * Keeps idempotency keys in PostgreSQL; `migrateShared` makes their table.
 *
 * All times are the database's. Whoever takes a lapsed claim over waits for a transaction that is just committing under
 * it, and so learns of that.
 */
export function postgresIdempotencyKeys<Schema>(database: Kysely<Schema>): IdempotencyStore {
  const db = sharedTables(database)
  return {
    async claim({ principal, key, fingerprint, owner, leaseMs, keepMs }) {
      const leasedUntil = inFuture(leaseMs)
      const { rows: claimed } = await sql`
        insert into idempotency_keys as held (principal, key, fingerprint, owner, leased_until, expires_at)
        values (${principal}, ${key}, ${fingerprint}, ${owner}, ${leasedUntil}, ${inFuture(keepMs)})
        on conflict (principal, key) do update set
          fingerprint = excluded.fingerprint, owner = excluded.owner, leased_until = excluded.leased_until,
          expires_at = excluded.expires_at, committed_at = null, status = null, headers = null, body = null
        where held.expires_at < clock_timestamp() or (
          held.fingerprint = excluded.fingerprint and held.leased_until < clock_timestamp()
          and held.committed_at is null and held.status is null)
        returning 1`.execute(db)
      if (claimed.length > 0) return 'claimed'

      const row = await db
        .selectFrom('idempotency_keys')
        .select(['fingerprint', 'status', 'headers', 'body', 'committed_at'])
        .select(sql<boolean>`leased_until < clock_timestamp()`.as('lapsed'))
        .where('principal', '=', principal)
        .where('key', '=', key)
        .executeTakeFirst()
      if (row === undefined) return 'in-progress'
      if (!sameBytes(row.fingerprint, fingerprint)) return 'other-request'
      const { status, headers, body } = row
      if (status !== null && headers !== null && body !== null) return { status, headers, body }
      return row.committed_at !== null && row.lapsed ? 'answer-lost' : 'in-progress'
    },
    async commit(claim, connection) {
      const { rows } = await connection.executeQuery(
        sql`update idempotency_keys set committed_at = clock_timestamp() where ${ownedBy(claim)} returning 1`.compile(
          db,
        ),
      )
      if (rows.length > 0) return
      throw new AppError('IDEMPOTENCY_IN_PROGRESS', 'It took too long, and another request has taken over')
    },
    async store(claim, { status, headers, body }: StoredAnswer) {
      await sql`update idempotency_keys
        set status = ${status}, headers = ${JSON.stringify(headers)}, body = ${body}
        where ${ownedBy(claim)}`.execute(db)
    },
    async release(claim) {
      await sql`delete from idempotency_keys where ${ownedBy(claim)} and committed_at is null`.execute(db)
      await sql`update idempotency_keys set leased_until = clock_timestamp() where ${ownedBy(claim)}`.execute(
        db,
      )
    },
  }
}

/** Forgets keys that have expired, in small transactions. @returns how many are gone. */
export async function pruneIdempotencyKeys<Schema>(
  database: Kysely<Schema>,
  { batch = 1000 }: { readonly batch?: number } = {},
): Promise<number> {
  for (let pruned = 0; ; ) {
    const { numAffectedRows = 0n } = await sql`delete from idempotency_keys where ctid = any(array(
      select ctid from idempotency_keys where expires_at < now() order by expires_at limit ${batch}))`.execute(
      database,
    )
    pruned += Number(numAffectedRows)
    if (numAffectedRows < batch) return pruned
  }
}

interface Owned {
  readonly principal: string
  readonly key: string
  readonly owner: string
}

const ownedBy = ({ principal, key, owner }: Owned) =>
  sql`principal = ${principal} and key = ${key} and owner = ${owner}`

const inFuture = (ms: number) => sql`clock_timestamp() + make_interval(secs => ${ms / 1000})`

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}
