import { join } from 'node:path'
import type { KeptServer } from './embedded/keep.ts'
import { startPostgres } from './embedded/postgres.ts'
import { findRedisBinary, startRedis } from './embedded/redis.ts'
import type { Settings } from './settings.ts'

/** Something the service depends on: given by the developer, or started here. */
export interface Backend {
  /** What the service must be told about it. */
  readonly env: Readonly<Record<string, string>>
  /** For the banner. */
  readonly summary: string
  /** Resolves with the reason when a server started here ends; else never. */
  readonly crashed: Promise<string>
  close(): Promise<void>
}

export async function openDatabase(settings: Settings, folder: string): Promise<Backend> {
  if (settings.has('SERVICE_DATABASE_URL')) return outside('the one in SERVICE_DATABASE_URL')
  const data = join(folder, 'postgres')
  const server = await startPostgres({ folder: data })
  return started(
    server,
    'SERVICE_DATABASE_URL',
    `embedded PostgreSQL 18, ${server.url}\n             kept in ${data}`,
  )
}

export async function openEvents(settings: Settings, folder: string): Promise<Backend> {
  if (settings.has('SERVICE_REDIS_URL')) return outside('the Redis in SERVICE_REDIS_URL')
  const binary = findRedisBinary()
  if (!binary) {
    const why =
      'in memory, lost at every restart: no redis-server or valkey-server (7 or newer) is on the PATH'
    return { ...outside(why), env: { SERVICE_REDIS_URL: 'memory://' } }
  }
  const data = join(folder, 'redis')
  const server = await startRedis({ server: { binary }, folder: data })
  return started(
    server,
    'SERVICE_REDIS_URL',
    `private Redis, ${server.url}, from ${binary}\n             kept in ${data}`,
  )
}

function outside(summary: string): Backend {
  return { env: {}, summary, crashed: new Promise(() => {}), close: async () => {} }
}

function started(server: KeptServer, variable: string, summary: string): Backend {
  return { env: { [variable]: server.url }, summary, crashed: server.crashed, close: server.stop }
}
