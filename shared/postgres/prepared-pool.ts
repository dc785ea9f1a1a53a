import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import type { Pool, PoolClient, QueryResultRow } from 'pg'
import { asDatabaseFailure, isConnectionLost, isPlanChanged } from './failures.ts'
import { lookupMark } from './lookup.ts'
import { type QueryObserver, statementOf } from './query-observer.ts'
import { type SharedConnection, shareConnections } from './shared-connections.ts'

/** What differs from statement to statement needs no plan of its own for ever. */
const maxStatements = 500

/** So many lookups share a connection: each waits for those before it, some ten microseconds each. */
const maxLookups = 16

/**
 * A `pg` pool as Kysely wants it, with named prepared statements and coded failures.
 *
 * A statement with parameters is parsed and planned once for each connection, not for each call. A database that is
 * away or too slow is an `AppError`: `DATABASE_UNAVAILABLE`, `DATABASE_TIMEOUT`; what the database says about a
 * statement itself rises untouched.
 *
 * Lookups (see `lookup`) that run at the same time share connections, where the pool's clients are in `pg`'s pipeline
 * mode. All else has its connection to itself, from its first statement until it is released: a transaction begins with
 * one that is no lookup, and a lookup that comes before it cannot depend on what it sets. Each statement ends with a
 * `Sync` of its own, so an error in one fails no other, and the server's statement timeout counts for each. Only where
 * the server does not answer at all do those that wait on the same connection fail together.
 *
 * @param observe told about every statement.
 * @param prepared false for a pooler that hands out another connection for each transaction and cannot keep statements.
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export function preparedPool(
  pool: Pool,
  { prepared, observe }: { prepared: boolean; observe?: QueryObserver | undefined },
): PostgresPool {
  const names = new Map<string, string>()
  const nameOf = (sql: string): string | undefined => {
    let name = names.get(sql)
    if (name === undefined && names.size < maxStatements) {
      name = `s${names.size}`
      names.set(sql, name)
    }
    return name
  }
  const connect = () =>
    pool.connect().catch((error: unknown) => {
      throw asDatabaseFailure(error)
    })
  const connections: Connections = {
    connect,
    share: shareConnections({
      connect,
      release: (client, broken) => client.release(broken),
      maxRunning: prepared ? maxLookups : 1,
    }),
    nameOf: prepared ? nameOf : () => undefined,
    observe,
  }

  return {
    options: pool.options,
    end: () => pool.end(),
    connect: () => Promise.resolve(new PreparedClient(connections)),
  }
}

interface Connections {
  readonly connect: () => Promise<PoolClient>
  readonly share: () => Promise<SharedConnection<PoolClient>>
  readonly nameOf: (sql: string) => string | undefined
  readonly observe: QueryObserver | undefined
}

/** Takes a connection from the pool with its first statement. */
class PreparedClient implements PostgresPoolClient {
  readonly #connections: Connections
  #own: PoolClient | undefined
  #inTransaction = false
  #broken = false
  #waitedMs = 0

  constructor(connections: Connections) {
    this.#connections = connections
  }

  query<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>>
  query(): never
  async query<Row>(sql = '', parameters: readonly unknown[] = []): Promise<PostgresQueryResult<Row>> {
    const { observe } = this.#connections
    if (observe === undefined) return await this.#run(sql, parameters)
    const startedAtMs = performance.now()
    let error: unknown
    try {
      return await this.#run(sql, parameters)
    } catch (failure) {
      error = failure
      throw failure
    } finally {
      const waitedMs = this.#waitedMs
      this.#waitedMs = 0
      observe({ statement: statementOf(sql), startedAtMs, endedAtMs: performance.now(), waitedMs, error })
    }
  }

  async #run<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    if (this.#own === undefined && sql.startsWith(lookupMark)) return await this.#lookUp(sql, parameters)
    this.#own ??= await this.#waitFor(this.#connections.connect())
    const client = this.#own
    if (parameters.length === 0) return await this.#control(client, sql)
    return await this.#execute(client, sql, parameters, (broken) => {
      this.#broken ||= broken
    })
  }

  /** A connection whose state is unknown, or whose plans are out of date, is closed rather than lent again. */
  release(): void {
    this.#own?.release(this.#broken)
    this.#own = undefined
  }

  async #lookUp<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    const { connection, done } = await this.#waitFor(this.#connections.share())
    let broken = false
    try {
      return await this.#execute(connection, sql, parameters, (isBroken) => {
        broken ||= isBroken
      })
    } finally {
      done(broken)
    }
  }

  async #execute<Row>(
    client: PoolClient,
    sql: string,
    parameters: readonly unknown[],
    report: (broken: boolean) => void,
  ): Promise<PostgresQueryResult<Row>> {
    const values = parameters as unknown[]
    const name = this.#connections.nameOf(sql)
    try {
      return await run<Row>(client, name === undefined ? { text: sql, values } : { name, text: sql, values })
    } catch (error) {
      report(isPlanChanged(error) || isConnectionLost(error))
      if (!isPlanChanged(error) || this.#inTransaction) throw asDatabaseFailure(error)
    }
    try {
      return await run<Row>(client, { text: sql, values })
    } catch (error) {
      throw asDatabaseFailure(error)
    }
  }

  async #waitFor<Connection>(connecting: Promise<Connection>): Promise<Connection> {
    if (this.#connections.observe === undefined) return await connecting
    const startedAtMs = performance.now()
    try {
      return await connecting
    } finally {
      this.#waitedMs = performance.now() - startedAtMs
    }
  }

  async #control<Row>(client: PoolClient, sql: string): Promise<PostgresQueryResult<Row>> {
    try {
      const result = await run<Row>(client, { text: sql })
      if (/^(begin|start transaction)/.test(sql)) this.#inTransaction = true
      if (/^(commit|rollback$)/.test(sql)) this.#inTransaction = false
      return result
    } catch (error) {
      this.#broken ||= isConnectionLost(error)
      throw asDatabaseFailure(error)
    }
  }
}

async function run<Row>(
  client: PoolClient,
  query: { name?: string; text: string; values?: unknown[] },
): Promise<PostgresQueryResult<Row>> {
  return (await client.query<Row & QueryResultRow>(query)) as PostgresQueryResult<Row>
}
