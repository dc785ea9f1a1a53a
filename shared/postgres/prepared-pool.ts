import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import { AppError } from '../errors.ts'
import { type Breaker, BrokenCircuit } from '../resilience/breaker.ts'
import { atCommitMark } from './at-commit.ts'
import { asDatabaseFailure, isConnectionLost, isDatabaseFailure, isPlanChanged } from './failures.ts'
import { lookupMark } from './lookup.ts'
import { type QueryObserver, statementOf } from './query-observer.ts'
import { type SharedConnection, shareConnections } from './shared-connections.ts'
import { type Query, run } from './statement.ts'
import { connectionFor, limitedWork, WatchedStatement } from './statement-watch.ts'
import { controlsTransaction, notSent, TransactionControl } from './transaction-control.ts'

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
 * Statements of work with a deadline are cancelled on the server when its time is up, or when whoever asked has gone:
 * `REQUEST_TIMEOUT`, `REQUEST_ABANDONED`. What ends a transaction is always sent, and never cancelled. A connection on
 * which something was cancelled serves no other statement.
 *
 * @param observe told about every statement.
 * @param breaker stands before whatever needs a connection; a transaction that has one goes on.
 * @param prepared false for a pooler that hands out another connection for each transaction and cannot keep statements.
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export function preparedPool(
  pool: Pool,
  {
    prepared,
    observe,
    breaker,
  }: { prepared: boolean; observe?: QueryObserver | undefined; breaker?: Breaker | undefined },
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
    prepared,
    observe,
    breaker,
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
  readonly prepared: boolean
  readonly observe: QueryObserver | undefined
  readonly breaker: Breaker | undefined
}

/** Takes a connection from the pool with its first statement. */
class PreparedClient implements PostgresPoolClient {
  readonly #connections: Connections
  #own: PoolClient | undefined
  readonly #transaction: TransactionControl
  #broken = false
  #waitedMs = 0

  constructor(connections: Connections) {
    this.#connections = connections
    this.#transaction = new TransactionControl(connections.prepared)
  }

  query<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>>
  query(): never
  async query<Row>(sql = '', parameters: readonly unknown[] = []): Promise<PostgresQueryResult<Row>> {
    if (!sql.startsWith(atCommitMark) || !this.#transaction.isOpen) return await this.#query(sql, parameters)
    this.#transaction.keepBack(() => this.#query(sql, parameters))
    return notSent
  }

  async #query<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    const { observe, breaker } = this.#connections
    const startedAtMs = observe === undefined ? 0 : performance.now()
    let error: unknown
    try {
      const result = await this.#run<Row>(sql, parameters)
      breaker?.succeeded()
      return result
    } catch (failure) {
      error = failure
      if (breaker) settle(breaker, failure)
      throw failure
    } finally {
      const waitedMs = this.#waitedMs
      this.#waitedMs = 0
      observe?.({ statement: statementOf(sql), startedAtMs, endedAtMs: performance.now(), waitedMs, error })
    }
  }

  async #run<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    if (this.#own === undefined && sql.startsWith(lookupMark)) return await this.#lookUp(sql, parameters)
    this.#own ??= await this.#take(this.#connections.connect, (client) => client.release())
    const client = this.#own
    const report = (broken: boolean) => {
      this.#broken ||= broken
    }
    if (parameters.length > 0) return await this.#execute(client, sql, parameters, report)
    if (controlsTransaction.test(sql)) return await this.#transaction.control(client, sql, report)
    await this.#transaction.begin(client, report)
    return await this.#watched(client, { text: sql }, report)
  }

  /** A connection whose state is unknown, or whose plans are out of date, is closed rather than lent again. */
  release(): void {
    this.#own?.release(this.#broken)
    this.#own = undefined
  }

  async #lookUp<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    const { share } = this.#connections
    const { connection, done } = await this.#take(share, ({ done }) => done(false))
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
    const query = name === undefined ? { text: sql, values } : { name, text: sql, values }
    try {
      return await this.#watched<Row>(client, query, report)
    } catch (error) {
      if (!isPlanChanged(error) || this.#transaction.isOpen) throw error
      report(true)
    }
    return await this.#watched<Row>(client, { text: sql, values }, report)
  }

  /** Within the time that the work has. */
  async #watched<Row>(
    client: PoolClient,
    query: Query,
    report: (broken: boolean) => void,
  ): Promise<PostgresQueryResult<Row>> {
    const work = limitedWork()
    const watch = work && new WatchedStatement(work, client, client !== this.#own)
    try {
      return await run<Row>(client, query, { begins: this.#transaction.beginsWithStatement() })
    } catch (error) {
      const isLost = isConnectionLost(error)
      report(isLost || isPlanChanged(error))
      if (watch?.reason === undefined) throw asDatabaseFailure(error)
      // The server answers those who cancel.
      if (isLost) this.#connections.breaker?.failed(error)
      else this.#connections.breaker?.succeeded()
      throw watch.reason
    } finally {
      watch?.done()
      if (watch?.cancelled) {
        report(true)
        await watch.cancelled
      }
    }
  }

  async #take<Connection>(
    connect: () => Promise<Connection>,
    unwanted: (connection: Connection) => void,
  ): Promise<Connection> {
    const { observe, breaker } = this.#connections
    const work = limitedWork()
    breaker?.admit()
    const startedAtMs = observe === undefined ? 0 : performance.now()
    try {
      const connecting = connect()
      return await (work ? connectionFor(work, connecting, unwanted) : connecting)
    } catch (error) {
      if (!isDatabaseFailure(error)) breaker?.undecided()
      throw error
    } finally {
      if (observe) this.#waitedMs = performance.now() - startedAtMs
    }
  }
}

/** What the database says of a statement is an answer; what ended before it was asked is nothing. */
function settle(breaker: Breaker, failure: unknown): void {
  if (isDatabaseFailure(failure)) {
    if (!(failure instanceof BrokenCircuit)) breaker.failed(failure)
  } else if (!(failure instanceof AppError)) breaker.succeeded()
}
