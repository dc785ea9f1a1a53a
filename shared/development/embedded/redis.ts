import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type KeptServer, keep } from './keep.ts'
import type { RedisServer } from './order.ts'

/** Streams with everything the service relies on. */
const oldestMajor = 7

export interface RedisOptions {
  /** What to run: a program found by `findRedisBinary`, or an image for the `docker` command. */
  server: RedisServer
  /** Keeps its files in this folder; without one it is temporary. */
  folder?: string
  /** Loopback port; default a free one. */
  port?: number
  /** Append-only file, synced every second; default true with a folder, false without. */
  appendOnly?: boolean
  /** Further arguments of the program, after ours, which they override. */
  args?: readonly string[]
}

/**
 * Starts a private Redis or Valkey on 127.0.0.1, without a password, that refuses writes rather than evict.
 *
 * @throws {Error} saying why: program missing, folder in use, port taken.
 */
export function startRedis({
  server,
  folder,
  port,
  appendOnly = folder !== undefined,
  args = [],
}: RedisOptions): Promise<KeptServer> {
  return keep({ kind: 'redis', server, folder, port, appendOnly, args })
}

/** The first `redis-server` or `valkey-server` on the PATH that is new enough (Redis 7, Valkey 7). */
export function findRedisBinary(): string | undefined {
  const candidates = [...onPath('redis-server'), ...onPath('valkey-server')]
  return candidates.find((file) => majorVersion(file) >= oldestMajor)
}

/** Whether the `docker` command reaches a daemon. */
export function hasDocker(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0
}

/** Every program of that name, in the order of the PATH. */
export function onPath(name: string): string[] {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return folders.map((folder) => join(folder, name)).filter(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function majorVersion(file: string): number {
  const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 5_000 })
  return Number(/v=(\d+)\./.exec(stdout ?? '')?.[1] ?? 0)
}
