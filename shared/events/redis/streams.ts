import type { EventLogger } from '../observer.ts'
import type { SubscriptionStore } from '../store.ts'
import type {
  AppendOutcome,
  Fields,
  GroupMember,
  GroupOperations,
  JoinOptions,
  StoredEntry,
  StreamTransport,
} from '../transport.ts'
import { type Connect, connectionOptions, type RedisClient, ready, within } from './connections.ts'
import { fullKey, streamKey } from './keys.ts'
import { RedisMember } from './member.ts'
import { entriesAfter, entriesBefore, redisOperations } from './operations.ts'

const FULL_CHECK_MS = 1000

export interface RedisStreamsOptions {
  readonly connect: Connect
  /** Opened by the caller, who closes them. */
  readonly publish: RedisClient
  readonly commands: RedisClient
  readonly store: SubscriptionStore
  readonly logger: EventLogger
  /** `<host>:<random>`, new in every process. */
  readonly consumer: string
  readonly prefix: string
  /** How long an append may take altogether. */
  readonly timeoutMs: number
  readonly keepAliveMs: number
  /** How long an ordered group waits for a leader that vanished. */
  readonly leaseMs: number
  /** The longest wait of one read. */
  readonly blockMs: number
  readonly maxReadBytes: number
  readonly maxEntryBytes: number
  /** At the cap: refuse, or let retention take what was not consumed, counted. */
  readonly overflow: 'refuse' | 'trim'
}

type Sent = 'no' | 'maybe'

/**
 * Durable events on Redis Streams, one stream a tag.
 *
 * @see https://redis.io/docs/latest/develop/data-types/streams/
 */
export class RedisStreams implements StreamTransport {
  readonly name = 'redis'
  readonly #options: RedisStreamsOptions
  readonly #fullness = new Map<string, { full: boolean; askedAtMs: number }>()
  readonly #reading = new Set<RedisClient>()

  constructor(options: RedisStreamsOptions) {
    this.#options = options
  }

  get keepAliveMs(): number {
    return this.#options.keepAliveMs
  }

  /** Connections that wait for entries, one a subscription and tag. */
  get readingConnections(): number {
    return this.#reading.size
  }

  async append(tag: string, entries: readonly Fields[]): Promise<readonly AppendOutcome[]> {
    const { publish, prefix, timeoutMs, overflow } = this.#options
    const fullness = this.#fullnessOf(tag)
    if (fullness.full && overflow === 'refuse' && !this.#mustAsk(fullness))
      return all(entries, { ok: false, sent: 'full' })
    const startedAt = performance.now()
    try {
      await ready(publish, timeoutMs)
    } catch (cause) {
      return all(entries, { ok: false, sent: 'no', cause })
    }

    const stream = streamKey(prefix, tag)
    const ask = this.#mustAsk(fullness)
    if (ask) {
      fullness.askedAtMs = performance.now()
      if (fullness.full) fullness.full = (await publish.exists(fullKey(prefix, tag)).catch(() => 1)) === 1
      if (fullness.full && overflow === 'refuse') return all(entries, { ok: false, sent: 'full' })
    }
    const pipeline = publish.pipeline()
    for (const fields of entries) pipeline.xadd(stream, '*', ...fields)
    if (ask) pipeline.exists(fullKey(prefix, tag))
    try {
      const leftMs = Math.max(1, timeoutMs - (performance.now() - startedAt))
      const replies = (await within(publish, leftMs, pipeline.exec())) ?? []
      if (ask) fullness.full = replies[entries.length]?.[1] === 1
      return entries.map((_, at) => outcomeOf(replies[at]))
    } catch (cause) {
      return all(entries, { ok: false, sent: sentBefore(cause), cause })
    }
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

  async missing(tag: string, entryIds: readonly string[]): Promise<readonly string[]> {
    const { commands, prefix } = this.#options
    const pipeline = commands.pipeline()
    for (const id of entryIds) pipeline.xrange(streamKey(prefix, tag), id, id)
    const replies = (await pipeline.exec()) ?? []
    return entryIds.filter((_, at) => {
      const [error, found] = replies[at] ?? []
      if (error) throw error
      return Array.isArray(found) && found.length === 0
    })
  }

  watch(doubt: (wellAtMs: number) => void): () => void {
    const { publish } = this.#options
    let wellAtMs = Date.now()
    const closed = () => {
      wellAtMs = Date.now()
    }
    const opened = () => doubt(wellAtMs)
    publish.on('close', closed)
    publish.on('ready', opened)
    return () => {
      publish.off('close', closed)
      publish.off('ready', opened)
    }
  }

  async close(): Promise<void> {
    for (const reading of this.#reading) reading.disconnect()
  }

  #fullnessOf(tag: string) {
    const known = this.#fullness.get(tag)
    if (known) return known
    const fresh = { full: false, askedAtMs: Number.NEGATIVE_INFINITY }
    this.#fullness.set(tag, fresh)
    return fresh
  }

  #mustAsk({ askedAtMs }: { askedAtMs: number }): boolean {
    return performance.now() - askedAtMs > FULL_CHECK_MS
  }
}

function all(entries: readonly Fields[], outcome: AppendOutcome): readonly AppendOutcome[] {
  return entries.map(() => outcome)
}

function outcomeOf(reply: [error: Error | null, result: unknown] | undefined): AppendOutcome {
  const [error, entryId] = reply ?? [new Error('the event server gave no reply'), undefined]
  return error ? { ok: false, sent: sentBefore(error), cause: error } : { ok: true, entryId: String(entryId) }
}

/** A refusal by the server, or a connection that took nothing, is certain; anything else may have arrived. */
function sentBefore(error: unknown): Sent {
  if (!(error instanceof Error)) return 'maybe'
  return error.name === 'ReplyError' || /^(Stream isn't writeable|Cluster isn't ready)/.test(error.message)
    ? 'no'
    : 'maybe'
}
