import type { PostgresQueryResult } from 'kysely'
import type { PoolClient } from 'pg'
import { asDatabaseFailure, isConnectionLost } from './failures.ts'
import { isPrepared, type Prepared, plainBegin, run } from './statement.ts'

export const controlsTransaction = /^(begin|start transaction|commit|rollback|savepoint|release)/
const beginsTransaction = /^(begin|start transaction)/
const endsTransaction = /^(commit|rollback$)/
const rollsBack = /^rollback/

export const notSent: PostgresQueryResult<never> = { command: 'SELECT', rowCount: 0, rows: [] }

/** A statement that waits for the commit. */
export interface KeptBack extends Prepared {
  readonly sql: string
}

/**
 * The transaction of one connection. It begins with its first statement, where that has parameters and the connection
 * knows how: one trip to the server less. What controls it is sent however little time its work has, but for a commit that
 * takes along what was kept back: without the time for that, nothing is committed.
 */
export class TransactionControl {
  readonly #prepared: boolean
  #begins = false
  #isOpen = false
  #keptBack: KeptBack[] = []

  /** @param prepared whether connections keep prepared statements. */
  constructor(prepared: boolean) {
    this.#prepared = prepared
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Until the commit, or the next savepoint. */
  keepBack(statement: KeptBack): void {
    this.#keptBack.push(statement)
  }

  /** What was kept back and has to be sent before `sql`, or with it: nothing where that rolls back. */
  takeKeptBack(sql: string): readonly KeptBack[] {
    const keptBack = rollsBack.test(sql) ? [] : this.#keptBack
    this.#keptBack = []
    return keptBack
  }

  committed(): void {
    this.#isOpen = false
  }

  /** Whether the statement that is sent next has to begin the transaction; true once. */
  beginsWithStatement(): boolean {
    const begins = this.#begins
    this.#begins = false
    return begins
  }

  /** Begins what has not begun yet. */
  async begin(client: PoolClient, report: (broken: boolean) => void): Promise<void> {
    if (this.beginsWithStatement()) await this.#send(client, plainBegin, report)
  }

  async control<Row>(
    client: PoolClient,
    sql: string,
    report: (broken: boolean) => void,
  ): Promise<PostgresQueryResult<Row>> {
    if (beginsTransaction.test(sql)) {
      this.#begins = sql === plainBegin && isPrepared(client, plainBegin)
      const result = this.#begins ? notSent : await this.#send<Row>(client, sql, report)
      this.#isOpen = true
      return result
    }
    if (!endsTransaction.test(sql)) {
      await this.begin(client, report)
      return await this.#send(client, sql, report)
    }
    const result = this.beginsWithStatement() ? notSent : await this.#send<Row>(client, sql, report)
    this.#isOpen = false
    return result
  }

  async #send<Row>(client: PoolClient, sql: string, report: (broken: boolean) => void) {
    // Named, so that the next transaction on this connection may begin with its first statement.
    const query = sql === plainBegin && this.#prepared ? { name: sql, text: sql } : { text: sql }
    try {
      return await run<Row>(client, query)
    } catch (error) {
      report(isConnectionLost(error))
      throw asDatabaseFailure(error)
    }
  }
}
