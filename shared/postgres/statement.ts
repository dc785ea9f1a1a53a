import type { Duplex } from 'node:stream'
import type { PostgresQueryResult } from 'kysely'
import pg from 'pg'

export interface Query {
  readonly name?: string
  readonly text: string
  readonly values?: unknown[]
}

export const plainBegin = 'begin'

/** A statement that a connection has prepared, and its values as the server takes them. */
export interface Prepared {
  readonly name: string
  readonly values: readonly (string | Buffer | null)[]
}

const prepared = new WeakMap<pg.PoolClient, Set<string>>()

export function isPrepared(client: pg.PoolClient, name: string): boolean {
  return prepared.get(client)?.has(name) ?? false
}

/** @throws {Error} for what is no value. */
export function asSent(values: readonly unknown[]): Prepared['values'] {
  const { utils } = pg as unknown as { utils: { prepareValue(value: unknown): string | Buffer | null } }
  return values.map((value) => utils.prepareValue(value))
}

/**
 * Runs a statement. Those that are sent in the same turn of the event loop leave in one packet.
 *
 * @param ahead statements that this connection has prepared, `begin` perhaps. They are sent before it, in the same packet; where
 *   one fails, the server skips all until the next `Sync`, and with it the others and the statement, which has parameters or
 *   a name.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 */
export async function run<Row>(
  client: pg.PoolClient,
  query: Query,
  ahead: readonly Prepared[] = [],
): Promise<PostgresQueryResult<Row>> {
  try {
    const result = await new Promise<PostgresQueryResult<Row>>((resolve, reject) => {
      const statement = new pg.Query(query, (error, result) => {
        if (error) reject(error)
        else resolve((Array.isArray(result) ? result.at(-1) : result) as PostgresQueryResult<Row>)
      })
      const submit = statement.submit.bind(statement)
      statement.submit = (connection) => {
        holdBack(connection.stream)
        for (const { name, values } of ahead) {
          connection.bind({ statement: name, values: [...values] }, true)
          connection.execute(null, true)
        }
        return submit(connection)
      }
      client.query(statement)
    })
    if (query.name !== undefined) remember(client, query.name)
    return result
  } catch (error) {
    // The stack of the socket's event says nothing of who asked.
    if (error instanceof Error) Error.captureStackTrace(error, run)
    throw error
  }
}

function remember(client: pg.PoolClient, name: string): void {
  const names = prepared.get(client)
  if (names) names.add(name)
  else prepared.set(client, new Set([name]))
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
