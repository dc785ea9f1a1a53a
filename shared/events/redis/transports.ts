import type { EventLogger } from '../observer.ts'
import type { ReplayJobs } from '../replay-jobs.ts'
import type { SubscriptionStore } from '../store.ts'
import type { Transports } from '../transports.ts'
import { type Capabilities, detectCapabilities } from './capabilities.ts'
import { type Connect, connectionOptions, type Purpose, type RedisClient, ready } from './connections.ts'
import { RedisPubSub } from './pubsub.ts'
import { redisReplayJobs } from './replay-jobs.ts'
import { redisStore } from './store.ts'
import { RedisStreams } from './streams.ts'
import { redisTail } from './tail.ts'

export interface RedisTransportsOptions {
  readonly connect: Connect
  readonly logger: EventLogger
  /** Names this process among the group's members, new in every process: `<host>:<random>`. */
  readonly consumer: string
  /** Where subscriptions and low-water marks are kept. Default: Redis, which forgets them when it is flushed. */
  readonly store?: SubscriptionStore
  /** Where replays are kept. Default: Redis. */
  readonly replays?: ReplayJobs
  /** Default `events`. */
  readonly prefix?: string
  /** The longest a publish may take. Default 5,000. */
  readonly timeoutMs?: number
  /** Entries are kept ours this often; after three times this without, others claim them. Default 20,000. */
  readonly keepAliveMs?: number
  /** How long an ordered group waits for a leader that vanished. Default 15,000. */
  readonly leaseMs?: number
  /** The longest wait of one read. Default 2,000. */
  readonly blockMs?: number
  /** Data read at once, about. Default 4 MiB. */
  readonly maxReadBytes?: number
  /** Default 256 KiB. */
  readonly maxEntryBytes?: number
  /** At the retention cap: refuse to publish, or lose what was not consumed, counted. Default `refuse`. */
  readonly overflow?: 'refuse' | 'trim'
  /** Replicas that must have an event before it counts as sent; publishing waits for them. Default 0. */
  readonly waitReplicas?: number
  /** How long an event that is published again is known, where memory allows. Default ten minutes. */
  readonly duplicateWindowMs?: number
  /** How many of them a tag knows, up to twice as many while it is busy: some 140 B each. Default 200,000. */
  readonly maxRemembered?: number
  /** How often the server is asked whether it is still the same. Default 5,000. */
  readonly watchEveryMs?: number
}

export interface RedisTransports extends Transports {
  readonly capabilities: Capabilities
  readonly commands: RedisClient
  /** Open connections: one to publish, one for commands, one to listen when anybody does, one a subscription and tag, one a tail. */
  readonly connections: number
}

/**
 * Events on Redis 7 or Valkey. Opens two connections at once and further ones as they are needed.
 *
 * @throws when the server does not answer within `timeoutMs`, or is older than Redis 7.0.
 */
export async function redisTransports({
  connect,
  logger,
  consumer,
  prefix = 'events',
  timeoutMs = 5000,
  keepAliveMs = 20_000,
  leaseMs = 15_000,
  blockMs = 2000,
  maxReadBytes = 4 * 1024 * 1024,
  maxEntryBytes = 256 * 1024,
  overflow = 'refuse',
  waitReplicas = 0,
  duplicateWindowMs,
  maxRemembered,
  watchEveryMs = 5000,
  store,
  replays,
}: RedisTransportsOptions): Promise<RedisTransports> {
  const open = (purpose: Purpose) => {
    const client = connect(purpose, connectionOptions(purpose, timeoutMs))
    client.on('error', (error: unknown) =>
      logger.debug({ err: error, purpose }, 'an event connection failed'),
    )
    return client
  }
  const publish = open('publish')
  const commands = open('commands')
  const base = { connect, publish, commands, logger, prefix, timeoutMs }
  const kept = store ?? redisStore(commands, prefix)
  const streams = new RedisStreams({
    ...base,
    store: kept,
    consumer,
    keepAliveMs,
    leaseMs,
    blockMs,
    maxReadBytes,
    maxEntryBytes,
    overflow,
    waitReplicas,
    duplicateWindowMs,
    maxRemembered,
    watchEveryMs,
  })
  const broadcasts = new RedisPubSub(base)
  const close = async () => {
    await broadcasts.close()
    await streams.close()
    publish.disconnect()
    commands.disconnect()
  }
  let tails = 0
  let capabilities: Capabilities
  try {
    await Promise.all([ready(publish, timeoutMs), ready(commands, timeoutMs)])
    capabilities = await detectCapabilities(commands, logger)
  } catch (error) {
    await close()
    throw error
  }
  return {
    capabilities,
    streams,
    broadcasts,
    store: kept,
    replays: replays ?? redisReplayJobs(commands, prefix),
    commands,
    openTail() {
      tails++
      const closed = () => {
        tails--
      }
      return redisTail({ connect, prefix, timeoutMs, blockMs, closed })
    },
    get connections() {
      return 2 + tails + streams.readingConnections + (broadcasts.listening ? 1 : 0)
    },
    close,
  }
}
