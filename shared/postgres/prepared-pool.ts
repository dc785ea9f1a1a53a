import type { PostgresPool } from 'kysely'
import type { Pool } from 'pg'
import type { Breaker } from '../resilience/breaker.ts'
import { asDatabaseFailure } from './failures.ts'
import { type Connections, PreparedClient } from './prepared-client.ts'
import type { QueryObserver } from './query-observer.ts'
import { shareConnections } from './shared-connections.ts'

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
 * `REQUEST_TIMEOUT`, `REQUEST_ABANDONED`. What ends a transaction is always sent, and never cancelled,
 * unless it takes along writes that were kept back (see `atCommit`): all of that is committed, or nothing. A connection on
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
