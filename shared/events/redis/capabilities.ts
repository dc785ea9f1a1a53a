import type { EventLogger } from '../observer.ts'
import type { RedisClient } from './connections.ts'

/** What the server offers beyond the floor, Redis 7.0; everything here is optional and has a fallback. */
export interface Capabilities {
  readonly server: 'redis' | 'valkey'
  readonly version: string
  /** Waiting until a write is on disk, 7.2. */
  readonly waitAof: boolean
  /** Acknowledging and deleting in one step, safe for many ids from 8.2.3. */
  readonly ackAndDelete: boolean
  /** Claiming while reading, 8.4. */
  readonly readClaims: boolean
  /** Refusing a repeated publish by its id, sound from 8.6.2. */
  readonly idempotentAdd: boolean
}

/** Numbers of a version, comparable as a whole. */
function rank(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return major * 1e6 + minor * 1e3 + patch
}

/** Reads `INFO`'s lines. */
export function infoFields(info: string): Readonly<Record<string, string>> {
  const pairs = info.split('\r\n').filter((line) => line.includes(':'))
  return Object.fromEntries(
    pairs.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
}

/** What a server of that version offers. Valkey forked at Redis 7.2 and has none of what came later. */
export function capabilitiesOf(server: 'redis' | 'valkey', version: string): Capabilities {
  const from = (needed: string) => server === 'redis' && rank(version) >= rank(needed)
  return {
    server,
    version,
    waitAof: server === 'valkey' || from('7.2.0'),
    ackAndDelete: from('8.2.3'),
    readClaims: from('8.4.0'),
    idempotentAdd: from('8.6.2'),
  }
}

/**
 * Asks the server once what it is, says so, and warns of settings that lose events.
 *
 * @throws when it is older than Redis 7.0.
 */
export async function detectCapabilities(redis: RedisClient, logger: EventLogger): Promise<Capabilities> {
  const info = infoFields(await redis.info())
  const server = info.server_name === 'valkey' || info.valkey_version !== undefined ? 'valkey' : 'redis'
  const version = (server === 'valkey' ? info.valkey_version : info.redis_version) ?? '0'
  if (rank(version) < rank('7.0.0'))
    throw new Error(`events need Redis 7.0 or Valkey; this is ${server} ${version}`)
  const capabilities = capabilitiesOf(server, version)
  logger.info(capabilities, 'the event server')

  const policy = info.maxmemory_policy
  if (policy !== undefined && policy !== 'noeviction') {
    logger.warn(
      { maxmemory_policy: policy },
      'the event server evicts keys when memory is short: events will be lost',
    )
  }
  if (info.aof_enabled === '0' && !(await savesSnapshots(redis))) {
    logger.warn({}, 'the event server persists nothing: a restart loses every event')
  }
  return capabilities
}

/** True as well when the server does not tell, as hosted ones do not: a false alarm at every start teaches nobody. */
async function savesSnapshots(redis: RedisClient): Promise<boolean> {
  try {
    const [, save] = (await redis.config('GET', 'save')) as string[]
    return save !== ''
  } catch {
    return true
  }
}
