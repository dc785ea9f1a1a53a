import { readFileSync, truncateSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findRedisBinary, type KeptServer, startRedis } from '@kiln/shared/embedded'
import { Redis } from 'ioredis'
import { Link } from './proxy.ts'

const aofFolder = 'appendonlydir'
const args = [
  ['--appendfsync', 'everysec'],
  // One file from the beginning to the end of the run: its tail is what may be cut off.
  ['--auto-aof-rewrite-percentage', '0'],
  ['--aof-load-truncated', 'yes'],
  ['--repl-diskless-sync-delay', '0'],
  ['--repl-timeout', '5'],
].flat()

/** A Redis and its replica, which change places; each keeps an append-only file. */
export interface RedisPair {
  /** Where the primary listens now. */
  readonly port: () => number
  /** Kills the primary with SIGKILL and starts it again; what it had acknowledged is still in its file. */
  crash(): Promise<void>
  freeze(durationMs: number): Promise<void>
  /** As `crash`, with so many bytes gone from the end of the file: a power cut before they were on the disk. */
  cutTail(bytes: number, where: 'anywhere' | 'between commands'): Promise<number>
  /** As `crash`, with nothing left of the file: a new disk. */
  empty(): Promise<void>
  /** The replica, without what the primary took in the last `lagMs`, takes over; the primary becomes its replica. */
  failOver(lagMs: number, moved: () => void): Promise<void>
  stop(): Promise<void>
}

/** @throws {Error} when there is no Redis on the PATH. */
export async function startRedisPair(): Promise<RedisPair> {
  const binary = findRedisBinary()
  if (binary === undefined) throw new Error('redis-server or valkey-server (7 or newer) is missing')
  const start = () => startRedis({ server: { binary }, appendOnly: true, args })
  let [primary, replica] = await Promise.all([start(), start()])
  const replication = await Link.open('replication', () => primary.port)
  await follow(replica, replication)

  const crash = async (between: () => Promise<void> = async () => {}) => {
    await kill(primary.pid)
    await between()
    await primary.restart()
  }

  return {
    port: () => primary.port,
    crash: () => crash(),
    async freeze(durationMs) {
      process.kill(primary.pid, 'SIGSTOP')
      await delay(durationMs)
      process.kill(primary.pid, 'SIGCONT')
    },
    async cutTail(bytes, where) {
      let gone = 0
      await crash(async () => {
        gone = await cutFile(primary.folder, bytes, where)
      })
      return gone
    },
    empty: () => crash(() => rm(join(primary.folder, aofFolder), { recursive: true })),
    async failOver(lagMs, moved) {
      // One that was never in step would not be promoted: it has nothing.
      await inStep(replica)
      await replication.halfOpen(lagMs)
      await command(replica, (redis) => redis.replicaof('NO', 'ONE'))
      ;[primary, replica] = [replica, primary]
      moved()
      await follow(replica, replication)
    },
    async stop() {
      await Promise.all([primary.stop(), replica.stop()])
      await replication.close()
    },
  }
}

async function follow(replica: KeptServer, replication: Link): Promise<void> {
  await command(replica, (redis) => redis.replicaof('127.0.0.1', replication.port))
}

async function inStep(replica: KeptServer): Promise<void> {
  await command(replica, async (redis) => {
    while (!(await redis.info('replication')).includes('master_link_status:up')) await delay(50)
  })
}

async function command(server: KeptServer, run: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(server.url)
  try {
    await run(redis)
  } finally {
    redis.disconnect()
  }
}

async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL')
  while (isAlive(pid)) await delay(5)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Cuts the end off the newest file of increments; gives how many bytes are gone. */
async function cutFile(
  folder: string,
  bytes: number,
  where: 'anywhere' | 'between commands',
): Promise<number> {
  const files = join(folder, aofFolder)
  const [newest] = (await readdir(files))
    .filter((name) => name.endsWith('.incr.aof'))
    .sort((one, other) => sequenceOf(other) - sequenceOf(one))
  if (newest === undefined) return 0
  const file = join(files, newest)
  const content = readFileSync(file)
  let length = Math.max(0, content.length - bytes)
  if (where === 'between commands') {
    // A command begins with the count of its parts, on a line of its own.
    const end = content.subarray(0, length).lastIndexOf('\r\n*')
    length = end === -1 ? 0 : end + 2
  }
  length = outsideTransaction(content, length)
  truncateSync(file, length)
  return content.length - length
}

/**
 * Where `redis-check-aof --fix` would cut. Redis 7.0 itself, told to load a truncated file, leaves the beginning of a
 * transaction in it: what it has lost then comes back at the next start, beside what was sent again since.
 */
function outsideTransaction(content: Buffer, length: number): number {
  const kept = content.subarray(0, length)
  const begun = kept.lastIndexOf('*1\r\n$5\r\nMULTI\r\n')
  return begun > kept.lastIndexOf('*1\r\n$4\r\nEXEC\r\n') ? begun : length
}

function sequenceOf(name: string): number {
  return Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? 0)
}
