import type { PostgresPoolClient, PostgresQueryResult } from 'kysely'
import type { PoolClient } from 'pg'
import { AppError } from '../errors.ts'
import { type Breaker, BrokenCircuit } from '../resilience/breaker.ts'
import { atCommitMark } from './at-commit.ts'
import { asDatabaseFailure, isConnectionLost, isDatabaseFailure, isPlanChanged } from './failures.ts'
import { lookupMark } from './lookup.ts'
import { type QueryObserver, statementOf } from './query-observer.ts'
import type { SharedConnection } from './shared-connections.ts'
import { asSent, isPrepared, plainBegin, type Query, run } from './statement.ts'
import { connectionFor, limitedWork, WatchedStatement } from './statement-watch.ts'
import { controlsTransaction, type KeptBack, notSent, TransactionControl } from './transaction-control.ts'

/** What the clients of a pool share. */
export interface Connections {
  readonly connect: () => Promise<PoolClient>
  readonly share: () => Promise<SharedConnection<PoolClient>>
  readonly nameOf: (sql: string) => string | undefined
  readonly prepared: boolean
  readonly observe: QueryObserver | undefined
  readonly breaker: Breaker | undefined
}

/** Takes a connection from the pool with its first statement. */
export class PreparedClient implements PostgresPoolClient {
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
    const waits = sql.startsWith(atCommitMark) && this.#transaction.isOpen
    const name = waits ? this.#connections.nameOf(sql) : undefined
    if (name === undefined) return await this.#query(sql, parameters)
    this.#transaction.keepBack({ name, sql, values: asSent(parameters) })
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
    if (controlsTransaction.test(sql)) return await this.#control(client, sql, report)
    await this.#transaction.begin(client, report)
    return await this.#watched(client, { text: sql }, report)
  }

  async #control<Row>(client: PoolClient, sql: string, report: (broken: boolean) => void) {
    const keptBack = this.#transaction.takeKeptBack(sql)
    if (sql === 'commit' && keptBack.length > 0 && keptBack.every(({ name }) => isPrepared(client, name)))
      return await this.#commitWith<Row>(client, keptBack, report)
    for (const { sql, values } of keptBack) await this.#query(sql, values)
    return await this.#transaction.control<Row>(client, sql, report)
  }

  /** One packet: all of it is done, or nothing. */
  async #commitWith<Row>(client: PoolClient, ahead: readonly KeptBack[], report: (broken: boolean) => void) {
    const startedAtMs = performance.now()
    let error: unknown
    try {
      const result = await this.#watched<Row>(client, { name: 'commit', text: 'commit' }, report, ahead)
      this.#transaction.committed()
      return result
    } catch (failure) {
      error = failure
      throw failure
    } finally {
      const { observe } = this.#connections
      const endedAtMs = performance.now()
      for (const { sql } of ahead)
        observe?.({ statement: statementOf(sql), startedAtMs, endedAtMs, waitedMs: 0, error })
    }
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
    ahead: readonly KeptBack[] = [],
  ): Promise<PostgresQueryResult<Row>> {
    const work = limitedWork()
    const watch = work && new WatchedStatement(work, client, client !== this.#own)
    try {
      const begin = this.#transaction.beginsWithStatement() ? [{ name: plainBegin, values: [] }] : []
      return await run<Row>(client, query, [...begin, ...ahead])
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
