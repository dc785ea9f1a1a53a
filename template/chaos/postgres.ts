import { type KeptServer, startPostgres } from '@kiln/shared/embedded'
import pg from 'pg'

/** The databases: the service's, and the one of the program that consumes its events. */
export const databases = { service: 'chaos_service', consumer: 'chaos_consumer' } as const
export type DatabaseName = keyof typeof databases

export interface Postgres {
  readonly port: () => number
  /** The database behind a port, which may be a link's. */
  url(name: DatabaseName, port?: number): string
  query<Row>(name: DatabaseName, text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /** Ends every connection to a database; gives how many there were. */
  terminateConnections(name: DatabaseName): Promise<number>
  restart(): Promise<void>
  stop(): Promise<void>
}

export async function startChaosPostgres(): Promise<Postgres> {
  const server = await startPostgres()
  for (const name of Object.values(databases)) await run(server, 'postgres', `create database ${name}`)
  return {
    port: () => server.port,
    url: (name, port = server.port) => urlOf(server, databases[name], port),
    query: (name, text, values) => run(server, databases[name], text, values),
    async terminateConnections(name) {
      const rows = await run(
        server,
        'postgres',
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
        [databases[name]],
      )
      return rows.length
    },
    restart: () => server.restart(),
    stop: () => server.stop(),
  }
}

function urlOf(server: KeptServer, database: string, port = server.port): string {
  const url = new URL(server.url)
  url.pathname = `/${database}`
  url.port = String(port)
  return url.href
}

async function run<Row>(
  server: KeptServer,
  database: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: urlOf(server, database) })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text, [...values])).rows
  } finally {
    await client.end().catch(() => {})
  }
}
