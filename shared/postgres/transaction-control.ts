import type { PostgresQueryResult } from 'kysely'
import type { PoolClient } from 'pg'
import { asDatabaseFailure, isConnectionLost } from './failures.ts'
import { begin, canBegin, plainBegin, run } from './statement.ts'

export const controlsTransaction = /^(begin|start transaction|commit|rollback|savepoint|release)/
const beginsTransaction = /^(begin|start transaction)/
const rollsBack = /^rollback/

export const notSent: PostgresQueryResult<never> = { command: 'SELECT', rowCount: 0, rows: [] }

/**
 * The transaction of one connection. It begins with its first statement, where that has parameters and the connection
 * knows how, and its commit takes along what was kept back for it: each is one trip to the server less. What controls it
 * is sent however little time its work has.
 */
export class TransactionControl {
  readonly #prepared: boolean
  #begins = false
  #isOpen = false
  #keptBack: (() => Promise<unknown>)[] = []

  /** @param prepared whether connections keep prepared statements. */
  constructor(prepared: boolean) {
    this.#prepared = prepared
  }

  get isOpen(): boolean {
    return this.#isOpen
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

  /** @param send sends a statement, in the turn in which it is called. */
  keepBack(send: () => Promise<unknown>): void {
    this.#keptBack.push(send)
  }

  async control<Row>(
    client: PoolClient,
    sql: string,
    report: (broken: boolean) => void,
  ): Promise<PostgresQueryResult<Row>> {
    if (beginsTransaction.test(sql)) {
      this.#begins = canBegin(client, sql)
      const result = this.#begins ? notSent : await this.#send<Row>(client, sql, report)
      this.#isOpen = true
      return result
    }
    if (rollsBack.test(sql)) this.#keptBack = []
    if (sql !== 'commit' && sql !== 'rollback') {
      await this.begin(client, report)
      await Promise.all(this.#sendKeptBack())
      return await this.#send(client, sql, report)
    }
    const result = await (sql === 'commit'
      ? this.#commit<Row>(client, report)
      : this.#end<Row>(client, sql, report))
    this.#isOpen = false
    return result
  }

  /** @throws {Error} what a statement that was kept back failed with. */
  async #commit<Row>(
    client: PoolClient,
    report: (broken: boolean) => void,
  ): Promise<PostgresQueryResult<Row>> {
    // Were `begin` to fail with the first of several, the next would not be part of any transaction.
    if (this.#keptBack.length > 1) await this.begin(client, report)
    const keptBack = this.#sendKeptBack()
    const committed = this.#end<Row>(client, 'commit', report)
    for (const outcome of await Promise.allSettled([...keptBack, committed]))
      if (outcome.status === 'rejected') throw outcome.reason
    return await committed
  }

  #sendKeptBack() {
    const keptBack = this.#keptBack
    this.#keptBack = []
    return keptBack.map((send) => send())
  }

  async #end<Row>(client: PoolClient, sql: string, report: (broken: boolean) => void) {
    return this.beginsWithStatement() ? notSent : await this.#send<Row>(client, sql, report)
  }

  async #send<Row>(client: PoolClient, sql: string, report: (broken: boolean) => void) {
    const isPlainBegin = sql === plainBegin && this.#prepared
    try {
      return await (isPlainBegin ? begin<Row>(client) : run<Row>(client, { text: sql }))
    } catch (error) {
      report(isConnectionLost(error))
      throw asDatabaseFailure(error)
    }
  }
}
