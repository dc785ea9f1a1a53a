import { hostname } from 'node:os'
import type { Kysely, Transaction } from 'kysely'
import type { Registry as MetricsRegistry } from 'prom-client'
import { createEvents } from '../events/client.ts'
import { EventError } from '../events/errors.ts'
import type { Events } from '../events/events.ts'
import { createLive, type Live } from '../events/live/live.ts'
import {
  createEventOperations,
  deadLettersAudit,
  type EventOperations,
  type EventsAudit,
} from '../events/operations.ts'
import { renameOwner } from '../events/redis/rename-owner.ts'
import { enforceRetention, type RetentionOptions } from '../events/redis/retention.ts'
import { type RedisTransports, redisTransports } from '../events/redis/transports.ts'
import type { Registry as EventRegistry } from '../events/registry.ts'
import type { ReplayJobs } from '../events/replay-jobs.ts'
import type { SubscriptionStore } from '../events/store.ts'
import { type Shards, tagsOf } from '../events/tags.ts'
import { memoryTransports, type Transports } from '../events/transports.ts'
import { eventContext } from '../observability/event-context.ts'
import { eventMetrics } from '../observability/event-metrics.ts'
import type { Logger } from '../observability/logger.ts'
import { subscriptionMetrics } from '../observability/subscription-metrics.ts'
import type { Telemetry } from '../observability/telemetry.ts'
import { pruneIdempotencyKeys } from '../postgres/idempotency-keys.ts'
import { postgresInbox, pruneInbox } from '../postgres/inbox.ts'
import { postgresArchive } from '../postgres/outbox/archive.ts'
import { redriveOutbox } from '../postgres/outbox/redrive.ts'
import { postgresReplayJobs } from '../postgres/replay-jobs.ts'
import { postgresStore } from '../postgres/subscription-store.ts'
import { eventConnector } from '../redis.ts'
import { repeat } from '../repeat.ts'
import { type EventsConfig, parseHeldBack, parseShards } from './event-settings.ts'
import { Relaying, type ServiceOutbox } from './relaying.ts'
import { createSystemEvents, type SystemEvents } from './system-events.ts'

const retentionEveryMs = 60_000
const pruneEveryMs = 3_600_000
const dayMs = 86_400_000

export type ServiceTransports = Transports & Partial<Pick<RedisTransports, 'commands' | 'connections'>>

export interface ServiceEvents<Trx> {
  readonly events: Events<Trx>
  readonly transports: ServiceTransports
  readonly operations: EventOperations
  readonly live: Live
  /** What the process tells of itself. */
  readonly system: SystemEvents
  readonly outbox: ServiceOutbox
  /** Trims the streams that the service owns, and what the inbox need not remember, until the returned function is called. */
  readonly keepRetention: () => () => Promise<void>
  /** Sends what the outbox holds, until the returned function is called. */
  readonly keepRelaying: () => () => Promise<void>
}

export interface ServiceEventsOptions<Schema> {
  /** Keeps what must outlive Redis: subscriptions, replays, outbox and inbox; `migrateShared` makes their tables. */
  readonly db: Kysely<Schema>
  /** Its URL, where a relay hears of what other processes add; without it the relay looks every second. */
  readonly databaseUrl?: string
  /** Every event that the service knows. */
  readonly registry: EventRegistry
  /** The domains whose events the service owns: it alone trims their streams. */
  readonly ownedDomains: readonly string[]
  readonly logger: Logger
  readonly metrics?: MetricsRegistry
  /** Default: ids are handed on, nothing is recorded. */
  readonly telemetry?: Pick<Telemetry, 'events' | 'redis' | 'relaying'>
  /** Takes who does what to subscriptions, dead letters and replays: before it is done, and after. */
  readonly record: (row: EventsAudit) => Promise<void>
}

/**
 * The service's events on Redis, or in this process's memory. Nothing is read before `start`; whoever opens them
 * closes what watches, the events, then the transports.
 *
 * @throws when Redis does not answer in time.
 */
export async function openServiceEvents<Schema>(
  config: EventsConfig,
  {
    db,
    databaseUrl,
    registry,
    ownedDomains,
    logger,
    metrics,
    telemetry,
    record,
  }: ServiceEventsOptions<Schema>,
): Promise<ServiceEvents<Transaction<Schema>>> {
  const { serviceName: service, eventsPublish, eventsMaxBytes: maxBytes } = config
  const transports = await openTransports(config, logger, {
    store: postgresStore(db),
    replays: postgresReplayJobs(db),
    ...(telemetry && { telemetry }),
  })
  if (metrics) subscriptionMetrics({ registry: metrics, service, ...transports })
  const observer = {
    ...(telemetry?.events ?? eventContext()),
    ...(metrics && eventMetrics({ registry: metrics, types: registry.names })),
  }
  const publishVersions = parseHeldBack(eventsPublish) ?? {}
  const shards = parseShards(config.eventsShards) ?? {}
  warnOfStrangeDomains(shards, registry, logger)
  const { eventsKeepAliveMs: keepAliveMs } = config
  const timing = { keepAliveMs, recoverEveryMs: Math.min(15_000, keepAliveMs) }
  const common = { service, transports, logger, observer, publishVersions, shards, maxBytes, timing }
  const inbox = postgresInbox(db)
  const relaying = new Relaying({
    db,
    databaseUrl: transports.commands && databaseUrl,
    shards,
    archiveDays: config.eventsArchiveDays,
    idleTimeoutMs: Math.max(15_000, config.redisTimeoutMs * 4),
    logger,
    metrics,
  })
  const events = createEvents<Transaction<Schema>>({
    ...common,
    outbox: relaying.outbox,
    inbox,
    archive: postgresArchive(db),
    audit: (told) => record(deadLettersAudit(told)),
  })
  const moveOwner = async (from: string) => {
    const { commands, ...kept } = transports
    if (commands === undefined) throw new EventError('EVENT_UNKNOWN', 'events in memory outlive no renaming')
    const { store, replays } = kept
    return await renameOwner({
      redis: commands,
      store,
      replays,
      inbox,
      logger,
      prefix: config.eventsPrefix,
      from,
      to: service,
    })
  }
  const tags = ownedDomains.flatMap((domain) => tagsOf(domain, shards))
  return {
    events,
    transports,
    live: createLive({ transports, contracts: registry.contracts, logger, shards }),
    system: createSystemEvents({ events, logger }),
    operations: createEventOperations({ events, registry, record, moveOwner }),
    outbox: {
      status: relaying.status,
      redrive: (since, checked = () => {}) =>
        redriveOutbox(db, { events, streams: transports.streams, shards, since: since.getTime(), checked }),
    },
    keepRetention() {
      const ends = [
        keepRetention(config, transports, { tags, logger, observer }),
        keepInbox(db, config.eventsInboxDays, logger),
      ]
      return async () => void (await Promise.all(ends.map((end) => end())))
    },
    keepRelaying: () =>
      relaying.start(telemetry ? traced(events, telemetry.relaying) : events, transports.streams),
  }
}

/** One value serves all services, and not every service knows every domain: a domain that is misspelt is no error here. */
function warnOfStrangeDomains(shards: Shards, { contracts }: EventRegistry, logger: Logger): void {
  const known = new Set(contracts.map(({ domain }) => domain))
  const strange = Object.keys(shards).filter((domain) => !known.has(domain))
  if (strange.length > 0)
    logger.warn({ domains: strange }, 'SERVICE_EVENTS_SHARDS names domains of no event of this service')
}

/** What a relay sends, each event within its own trace. */
function traced(
  { forward, safe }: Pick<Events, 'forward' | 'safe'>,
  relaying: Telemetry['relaying'],
): Pick<Events, 'forward' | 'safe'> {
  return { forward: (events) => relaying(events, () => forward(events)), safe }
}

async function openTransports(
  config: EventsConfig,
  logger: Logger,
  {
    telemetry,
    ...kept
  }: {
    readonly store: SubscriptionStore
    readonly replays: ReplayJobs
    readonly telemetry?: Pick<Telemetry, 'redis'>
  },
): Promise<ServiceTransports> {
  const { redisUrl, redisTimeoutMs: timeoutMs, serviceName: name } = config
  if (redisUrl === 'memory://') return memoryTransports(kept)
  return await redisTransports({
    connect: eventConnector(redisUrl, { name, timeoutMs, observer: telemetry?.redis }),
    logger,
    consumer: `${hostname()}:${crypto.randomUUID().slice(0, 8)}`,
    prefix: config.eventsPrefix,
    timeoutMs,
    keepAliveMs: config.eventsKeepAliveMs,
    maxEntryBytes: config.eventsMaxBytes,
    overflow: config.eventsOverflow,
    waitReplicas: config.eventsWaitReplicas,
    ...kept,
  })
}

function keepRetention(
  config: EventsConfig,
  { commands, store }: ServiceTransports,
  options: Pick<RetentionOptions, 'tags' | 'logger' | 'observer'>,
): () => Promise<void> {
  if (commands === undefined) return async () => {}
  const trim = () =>
    enforceRetention({
      ...options,
      redis: commands,
      store,
      prefix: config.eventsPrefix,
      maxAgeMs: config.eventsRetentionHours * 3_600_000,
      maxBytes: config.eventsRetentionBytes,
      overflow: config.eventsOverflow,
    })
  const failed = (error: unknown) => options.logger.warn({ err: error }, 'the streams could not be trimmed')
  return repeat(trim, { everyMs: retentionEveryMs, failed })
}

function keepInbox<Schema>(db: Kysely<Schema>, days: number, logger: Logger): () => Promise<void> {
  const failed = (error: unknown) =>
    logger.warn({ err: error }, 'the inbox and the idempotency keys could not be pruned')
  const prune = async () => {
    await pruneInbox(db, { olderThanMs: days * dayMs })
    await pruneIdempotencyKeys(db)
  }
  return repeat(prune, { everyMs: pruneEveryMs, failed })
}
