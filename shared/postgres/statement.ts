import type { Duplex } from 'node:stream'
import type { PostgresQueryResult } from 'kysely'
import pg from 'pg'

export interface Query {
  readonly name?: string
  readonly text: string
  readonly values?: unknown[]
}

export const plainBegin = 'begin'

/** Connections that have `begin` among their prepared statements. */
const prepared = new WeakSet<pg.PoolClient>()

/** Begins a transaction, in a trip of its own; on this connection the next may begin with its first statement. */
export async function begin<Row>(client: pg.PoolClient): Promise<PostgresQueryResult<Row>> {
  const result = await run<Row>(client, { name: plainBegin, text: plainBegin })
  prepared.add(client)
  return result
}

/** Whether `run` can begin such a transaction on this connection. */
export function canBegin(client: pg.PoolClient, sql: string): boolean {
  return sql === plainBegin && prepared.has(client)
}

/**
 * Runs a statement. Those that are sent in the same turn of the event loop leave in one packet.
 *
 * @param options.begins the transaction begins with this statement, which has parameters: where `begin` fails, the server
 *   skips all until the next `Sync`, and with it the statement.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 */
export async function run<Row>(
  client: pg.PoolClient,
  query: Query,
  { begins = false } = {},
): Promise<PostgresQueryResult<Row>> {
  try {
    return await new Promise((resolve, reject) => {
      const statement = new pg.Query(query, (error, result) => {
        if (error) reject(error)
        else resolve((Array.isArray(result) ? result.at(-1) : result) as PostgresQueryResult<Row>)
      })
      const submit = statement.submit.bind(statement)
      statement.submit = (connection) => {
        holdBack(connection.stream)
        if (begins) {
          connection.bind({ statement: plainBegin }, true)
          connection.execute(null, true)
        }
        return submit(connection)
      }
      client.query(statement)
    })
  } catch (error) {
    // The stack of the socket's event says nothing of who asked.
    if (error instanceof Error) Error.captureStackTrace(error, run)
    throw error
  }
}

const heldBack = new WeakSet<Duplex>()

function holdBack(stream: Duplex): void {
  if (heldBack.has(stream)) return
  heldBack.add(stream)
  stream.cork()
  process.nextTick(() => {
    heldBack.delete(stream)
    stream.uncork()
  })
}
