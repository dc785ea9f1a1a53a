import { Kysely, type LogEvent } from 'kysely'
import pg from 'pg'
import { Gauge, type Registry } from 'prom-client'
import type { Breaker } from '../resilience/breaker.ts'
import { HookedPostgresDialect } from './commit-hook.ts'
import { preparedPool } from './prepared-pool.ts'
import type { QueryObserver } from './query-observer.ts'

export interface DatabaseOptions {
  /** `postgres://user:password@host:5432/name` */
  readonly url: string
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string
  readonly poolMax: number
  /** Longest wait for a connection, new or from the pool. */
  readonly connectTimeoutMs: number
  /** Longest a statement may run; the server cancels it. */
  readonly statementTimeoutMs: number
  /** Named prepared statements. */
  readonly prepared: boolean
  readonly log?: (event: LogEvent) => void
  /** Told when the server ends an idle connection; the pool replaces it. */
  readonly onIdleError?: (error: Error) => void
  readonly registry?: Registry
  /** Told about every statement. */
  readonly observe?: QueryObserver
  /** Stands before every statement that needs a connection. */
  readonly breaker?: Breaker | undefined
}

/**
 * A Kysely database on a pool of its own. `db.destroy()` closes it.
 *
 * `bigint` columns are numbers, and an error where one does not fit 53 bits.
 */
export function connectDatabase<Schema>(options: DatabaseOptions): Kysely<Schema> {
  const { url, applicationName, poolMax, connectTimeoutMs, statementTimeoutMs } = options
  const { prepared, log, registry, observe, breaker } = options
  const pool = new pg.Pool({
    connectionString: url,
    application_name: applicationName,
    max: poolMax,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    // The server's limit does not help where the server hangs: this one does, a little later.
    query_timeout: statementTimeoutMs + 1000,
    idle_in_transaction_session_timeout: statementTimeoutMs * 2,
    keepAlive: true,
    types: { getTypeParser },
    pipeline: prepared,
  })
  // Without a listener a connection that the server ends takes the whole process with it.
  pool.on('error', (error) => options.onIdleError?.(error))
  // The same holds for one in use, whose statements are told in any case.
  pool.on('connect', (client) => client.on('error', () => {}))
  if (registry) poolMetrics(pool, registry)
  return new Kysely<Schema>({
    dialect: new HookedPostgresDialect({ pool: preparedPool(pool, { prepared, observe, breaker }) }),
    ...(log && { log }),
  })
}

function getTypeParser(oid: number, format?: 'text' | 'binary') {
  return oid === pg.types.builtins.INT8 ? parseInt8 : pg.types.getTypeParser(oid, format as 'text')
}

function parseInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError('a bigint does not fit 53 bits')
  return value
}

function poolMetrics(pool: pg.Pool, registry: Registry): void {
  new Gauge({
    name: 'db_client_connection_count',
    help: 'Connections of the pool, by state',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.set({ state: 'idle' }, pool.idleCount)
      this.set({ state: 'used' }, pool.totalCount - pool.idleCount)
    },
  })
  new Gauge({
    name: 'db_client_connection_max',
    help: 'Connections that the pool may open',
    registers: [registry],
  }).set(pool.options.max)
  new Gauge({
    name: 'db_client_connection_pending_requests',
    help: 'Requests that wait for a connection of the pool',
    registers: [registry],
    collect() {
      this.set(pool.waitingCount)
    },
  })
}
