import type { Logger, Telemetry } from '@kiln/shared/observability'
import { connectDatabase } from '@kiln/shared/postgres'
import type { Breakers } from '@kiln/shared/resilience'
import type { Kysely } from 'kysely'
import type { Registry } from 'prom-client'
import type { Config } from '../../config.ts'
import type { Schema } from './schema.ts'

export type Database = Kysely<Schema>

export type DatabaseConfig = Pick<
  Config,
  | 'serviceName'
  | 'databaseUrl'
  | 'databasePoolMax'
  | 'databaseConnectTimeoutMs'
  | 'databaseStatementTimeoutMs'
  | 'databasePreparedStatements'
>

/** What a command needs to reach the database. */
export const databaseConfigKeys = [
  'serviceName',
  'databaseUrl',
  'databasePoolMax',
  'databaseConnectTimeoutMs',
  'databaseStatementTimeoutMs',
  'databasePreparedStatements',
] as const satisfies readonly (keyof DatabaseConfig)[]

interface ConnectOptions {
  readonly logger?: Logger
  readonly registry?: Registry
  readonly telemetry?: Pick<Telemetry, 'queries'>
  readonly breakers?: Breakers
}

/** The service's database; whoever connects it destroys it. */
export function connectServiceDatabase(
  config: DatabaseConfig,
  { logger, registry, telemetry, breakers }: ConnectOptions = {},
): Database {
  return connectDatabase<Schema>({
    url: config.databaseUrl,
    applicationName: config.serviceName,
    poolMax: config.databasePoolMax,
    connectTimeoutMs: config.databaseConnectTimeoutMs,
    statementTimeoutMs: config.databaseStatementTimeoutMs,
    prepared: config.databasePreparedStatements,
    onIdleError: (error) => logger?.warn({ err: error }, 'the database ended an idle connection'),
    breaker: breakers?.database,
    ...(registry && { registry }),
    ...(telemetry && { observe: telemetry.queries }),
  })
}

/** A migration may take its time, where a request must not. */
const administrativeTimeoutMs = 600_000

/** Works on a connection of its own, without a request's time limit and without SQL in the logs, and closes it. */
export async function withAdministrativeDatabase<Result>(
  config: DatabaseConfig,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  const db = connectServiceDatabase({ ...config, databaseStatementTimeoutMs: administrativeTimeoutMs })
  try {
    return await work(db)
  } finally {
    await db.destroy()
  }
}
