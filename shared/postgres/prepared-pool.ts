import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import type { Pool, PoolClient, QueryResultRow } from 'pg'
import { asDatabaseFailure, isConnectionLost, isPlanChanged, isUnanswered } from './failures.ts'

/** What differs from statement to statement needs no plan of its own for ever. */
const maxStatements = 500

/**
 * A `pg` pool as Kysely wants it, with named prepared statements and coded failures.
 *
 * A statement with parameters is parsed and planned once for each connection, not for each call. A database that is
 * away or too slow is an `AppError`: `DATABASE_UNAVAILABLE`, `DATABASE_TIMEOUT`; what the database says about a
 * statement itself rises untouched.
 *
 * @param prepared false for a pooler that hands out another connection for each transaction and cannot keep statements.
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 */
export function preparedPool(pool: Pool, { prepared }: { prepared: boolean }): PostgresPool {
  const clients = new WeakMap<PoolClient, PreparedClient>()
  const names = new Map<string, string>()

  const nameOf = (sql: string): string | undefined => {
    let name = names.get(sql)
    if (name === undefined && names.size < maxStatements) {
      name = `s${names.size}`
      names.set(sql, name)
    }
    return name
  }

  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect().catch((error: unknown) => {
        throw asDatabaseFailure(error)
      })
      let wrapped = clients.get(client)
      if (wrapped === undefined) {
        wrapped = new PreparedClient(client, prepared ? nameOf : () => undefined)
        clients.set(client, wrapped)
      }
      return wrapped
    },
  }
}

class PreparedClient implements PostgresPoolClient {
  readonly #client: PoolClient
  readonly #nameOf: (sql: string) => string | undefined
  #inTransaction = false
  #broken = false

  constructor(client: PoolClient, nameOf: (sql: string) => string | undefined) {
    this.#client = client
    this.#nameOf = nameOf
  }

  query<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>>
  query(): never
  async query<Row>(sql = '', parameters: readonly unknown[] = []): Promise<PostgresQueryResult<Row>> {
    const values = parameters as unknown[]
    try {
      if (values.length === 0) return await this.#control<Row>(sql)
      const name = this.#nameOf(sql)
      return await this.#run<Row>(name === undefined ? { text: sql, values } : { name, text: sql, values })
    } catch (error) {
      this.#broken ||= isPlanChanged(error) || isUnanswered(error) || isConnectionLost(error)
      if (!isPlanChanged(error) || this.#inTransaction) throw asDatabaseFailure(error)
      return await this.#run<Row>({ text: sql, values })
    }
  }

  /** A connection whose state is unknown, or whose plans are out of date, is closed rather than lent again. */
  release(): void {
    this.#client.release(this.#broken)
  }

  async #control<Row>(sql: string): Promise<PostgresQueryResult<Row>> {
    const result = await this.#run<Row>({ text: sql })
    if (/^(begin|start transaction)/.test(sql)) this.#inTransaction = true
    if (/^(commit|rollback$)/.test(sql)) this.#inTransaction = false
    return result
  }

  async #run<Row>(query: {
    name?: string
    text: string
    values?: unknown[]
  }): Promise<PostgresQueryResult<Row>> {
    return (await this.#client.query<Row & QueryResultRow>(query)) as PostgresQueryResult<Row>
  }
}
