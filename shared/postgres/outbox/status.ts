import { type Kysely, sql } from 'kysely'
import { sharedTables } from '../tables.ts'

const maxCounted = 100_000

export interface OutboxStatus {
  /** Rows that wait to be sent; over 100,000 an estimate. */
  readonly depth: number
  /** Rows that cannot be decoded, apart from `depth`; what waits behind them is in it. */
  readonly parked: number
  /** Of the rows that wait; 0 when there is none. */
  readonly oldestAgeMs: number
}

/** How the outbox stands. Bounded: a long queue is not read to its end. */
export async function outboxStatus<Schema>(database: Kysely<Schema>): Promise<OutboxStatus> {
  const { rows } = await sql<{ counted: unknown; estimated: unknown; parked: unknown; age: unknown }>`
    select
      (select count(*) from (
        select from outbox where parked_at is null limit ${sql.lit(maxCounted + 1)}
      ) as waiting)::float8 as counted,
      (select reltuples from pg_class where oid = 'outbox'::regclass)::float8 as estimated,
      (select count(*) from (
        select from outbox where parked_at is not null limit ${sql.lit(maxCounted)}
      ) as parked)::float8 as parked,
      coalesce(extract(epoch from clock_timestamp() - (
        select created_at from outbox where parked_at is null order by id limit 1
      )) * 1000, 0)::float8 as age
  `.execute(sharedTables(database).withoutPlugins())
  const [counted, estimated] = [Number(rows[0]?.counted), Number(rows[0]?.estimated)]
  return {
    depth: counted > maxCounted ? Math.max(counted, estimated) : counted,
    parked: Number(rows[0]?.parked),
    oldestAgeMs: Math.max(0, Math.round(Number(rows[0]?.age))),
  }
}
