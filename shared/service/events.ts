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
import { memoryTransports, type Transports } from '../events/transports.ts'
import { eventContext } from '../observability/event-context.ts'
import { eventMetrics } from '../observability/event-metrics.ts'
import type { Logger } from '../observability/logger.ts'
import { subscriptionMetrics } from '../observability/subscription-metrics.ts'
import type { Telemetry } from '../observability/telemetry.ts'
import { postgresInbox } from '../postgres/inbox.ts'
import { postgresOutbox } from '../postgres/outbox/add.ts'
import { createRelay } from '../postgres/outbox/relay.ts'
import { postgresReplayJobs } from '../postgres/replay-jobs.ts'
import { postgresStore } from '../postgres/subscription-store.ts'
import { eventConnector } from '../redis.ts'
import { repeat } from '../repeat.ts'
import { type EventsConfig, parseHeldBack } from './event-settings.ts'
import { createSystemEvents, type SystemEvents } from './system-events.ts'

const retentionEveryMs = 60_000
const relayStopMs = 5_000

export type ServiceTransports = Transports & Partial<Pick<RedisTransports, 'commands' | 'connections'>>

export interface ServiceEvents<Trx> {
  readonly events: Events<Trx>
  readonly transports: ServiceTransports
  readonly operations: EventOperations
  readonly live: Live
  /** What the process tells of itself. */
  readonly system: SystemEvents
  /** Trims the streams that the service owns, every minute, until the returned function is called. */
  readonly keepRetention: () => () => Promise<void>
  /** Sends what the outbox holds, until the returned function is called. */
  readonly keepRelaying: () => () => Promise<void>
}

export interface ServiceEventsOptions<Schema> {
  /** Keeps what must outlive Redis: subscriptions, replays, outbox and inbox; `migrateShared` makes their tables. */
  readonly db: Kysely<Schema>
  /** Every event that the service knows. */
  readonly registry: EventRegistry
  /** The domains whose events the service owns: it alone trims their streams. */
  readonly ownedDomains: readonly string[]
  readonly logger: Logger
  readonly metrics?: MetricsRegistry
  /** Default: ids are handed on, nothing is recorded. */
  readonly telemetry?: Pick<Telemetry, 'events' | 'redis'>
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
  { db, registry, ownedDomains, logger, metrics, telemetry, record }: ServiceEventsOptions<Schema>,
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
  const { eventsKeepAliveMs: keepAliveMs } = config
  const timing = { keepAliveMs, recoverEveryMs: Math.min(15_000, keepAliveMs) }
  const common = { service, transports, logger, observer, publishVersions, maxBytes, timing }
  let added = () => {}
  const events = createEvents<Transaction<Schema>>({
    ...common,
    outbox: postgresOutbox({ onAdded: () => added() }),
    inbox: postgresInbox(db),
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
      logger,
      prefix: config.eventsPrefix,
      from,
      to: service,
    })
  }
  return {
    events,
    transports,
    live: createLive({ transports, contracts: registry.contracts, logger }),
    system: createSystemEvents({ events, logger }),
    operations: createEventOperations({ events, registry, record, moveOwner }),
    keepRetention: () => keepRetention(config, transports, { ownedDomains, logger, observer }),
    keepRelaying() {
      const relay = createRelay({ db, events, streams: transports.streams, logger })
      added = () => relay.poke()
      relay.start()
      return async () => {
        if (!(await relay.stop(relayStopMs))) throw new Error('events of the outbox are still being sent')
      }
    },
  }
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
    ...kept,
  })
}

function keepRetention(
  config: EventsConfig,
  { commands, store }: ServiceTransports,
  options: Pick<RetentionOptions, 'logger' | 'observer'> & Pick<ServiceEventsOptions<never>, 'ownedDomains'>,
): () => Promise<void> {
  if (commands === undefined) return async () => {}
  const { ownedDomains, ...told } = options
  const trim = () =>
    enforceRetention({
      ...told,
      redis: commands,
      store,
      tags: ownedDomains,
      prefix: config.eventsPrefix,
      maxAgeMs: config.eventsRetentionHours * 3_600_000,
      maxBytes: config.eventsRetentionBytes,
      overflow: config.eventsOverflow,
    })
  const failed = (error: unknown) => told.logger.warn({ err: error }, 'the streams could not be trimmed')
  return repeat(trim, { everyMs: retentionEveryMs, failed })
}
