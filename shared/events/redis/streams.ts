import type { EventLogger } from '../observer.ts'
import type { SubscriptionStore } from '../store.ts'
import type {
  AppendOutcome,
  AppendRun,
  Fields,
  GroupMember,
  GroupOperations,
  JoinOptions,
  StoredEntry,
  StreamTransport,
} from '../transport.ts'
import { Appender, type AppenderOptions } from './appender.ts'
import { type Connect, connectionOptions, type RedisClient } from './connections.ts'
import { streamKey } from './keys.ts'
import { RedisMember } from './member.ts'
import { missingEntries } from './missing.ts'
import { entriesAfter, entriesBefore, redisOperations } from './operations.ts'
import { watchServer } from './watch.ts'

/** Both clients are opened by the caller, who closes them. */
export interface RedisStreamsOptions extends AppenderOptions {
  readonly connect: Connect
  readonly commands: RedisClient
  readonly store: SubscriptionStore
  readonly logger: EventLogger
  /** `<host>:<random>`, new in every process. */
  readonly consumer: string
  readonly keepAliveMs: number
  /** How long an ordered group waits for a leader that vanished. */
  readonly leaseMs: number
  /** The longest wait of one read. */
  readonly blockMs: number
  readonly maxReadBytes: number
  readonly maxEntryBytes: number
  readonly watchEveryMs: number
}

/**
 * Durable events on Redis Streams, one stream a tag.
 *
 * @see https://redis.io/docs/latest/develop/data-types/streams/
 */
export class RedisStreams implements StreamTransport {
  readonly name = 'redis'
  readonly #options: RedisStreamsOptions
  readonly #appender: Appender
  readonly #reading = new Set<RedisClient>()

  constructor(options: RedisStreamsOptions) {
    this.#options = options
    this.#appender = new Appender(options)
  }

  get keepAliveMs(): number {
    return this.#options.keepAliveMs
  }

  /** Connections that wait for entries, one a subscription and tag. */
  get readingConnections(): number {
    return this.#reading.size
  }

  append(tag: string, entries: readonly Fields[], run?: AppendRun): Promise<readonly AppendOutcome[]> {
    return this.#appender.append(tag, entries, run)
  }

  async join(options: JoinOptions): Promise<GroupMember> {
    const reading = this.#options.connect('read', connectionOptions('read', this.#options.timeoutMs))
    reading.on('error', (error: unknown) =>
      this.#options.logger.debug({ err: error }, 'a reading connection failed'),
    )
    reading.once('end', () => this.#reading.delete(reading))
    this.#reading.add(reading)
    const member = new RedisMember({ ...this.#options, ...options, reading })
    try {
      await member.enter()
    } catch (error) {
      reading.disconnect()
      throw error
    }
    return member
  }

  safe(): Promise<void> {
    return Promise.resolve()
  }

  operate(tag: string, group: string): GroupOperations {
    return redisOperations(this.#options.commands, this.#options.prefix, tag, group)
  }

  range(tag: string, after: string, count: number): Promise<readonly StoredEntry[]> {
    const { commands, prefix } = this.#options
    return entriesAfter(commands, streamKey(prefix, tag), after, count)
  }

  backwards(tag: string, before: string, count: number): Promise<readonly StoredEntry[]> {
    const { commands, prefix } = this.#options
    return entriesBefore(commands, streamKey(prefix, tag), before, count)
  }

  missing(tag: string, entryIds: readonly string[]): Promise<readonly string[]> {
    const { commands, prefix } = this.#options
    return missingEntries(commands, prefix, tag, entryIds)
  }

  watch(doubt: (wellAtMs: number) => void): () => void {
    return watchServer(this.#options, doubt)
  }

  async close(): Promise<void> {
    for (const reading of this.#reading) reading.disconnect()
  }
}
