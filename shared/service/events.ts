import { hostname } from 'node:os'
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
import { tagsOf } from '../events/tags.ts'
import { memoryTransports, type Transports } from '../events/transports.ts'
import { eventContext } from '../observability/event-context.ts'
import { eventMetrics } from '../observability/event-metrics.ts'
import type { Logger } from '../observability/logger.ts'
import { subscriptionMetrics } from '../observability/subscription-metrics.ts'
import { eventConnector } from '../redis.ts'
import { repeat } from '../repeat.ts'
import { type EventsConfig, parseHeldBack, parseShards } from './event-settings.ts'

const retentionEveryMs = 60_000

export type ServiceTransports = Transports & Partial<Pick<RedisTransports, 'commands' | 'connections'>>

export interface ServiceEvents {
  readonly events: Events
  readonly transports: ServiceTransports
  readonly operations: EventOperations
  readonly live: Live
  /** Trims the streams that the service owns, every minute, until the returned function is called. */
  readonly keepRetention: () => () => Promise<void>
}

export interface ServiceEventsOptions {
  /** Every event that the service knows. */
  readonly registry: EventRegistry
  /** The domains whose events the service owns: it alone trims their streams. */
  readonly ownedDomains: readonly string[]
  readonly logger: Logger
  /** Where subscriptions are kept. Default: with the events. */
  readonly store?: SubscriptionStore
  /** Where replays are kept. Default: with the events. */
  readonly replays?: ReplayJobs
  readonly metrics?: MetricsRegistry
  /** Takes who did what to subscriptions, dead letters and replays. */
  readonly record: (done: EventsAudit) => Promise<void>
}

/**
 * The service's events on Redis, or in this process's memory. Nothing is read before `start`; whoever opens them
 * closes what watches, the events, then the transports.
 *
 * @throws when Redis does not answer in time.
 */
export async function openServiceEvents(
  config: EventsConfig,
  { registry, ownedDomains, logger, store, replays, metrics, record }: ServiceEventsOptions,
): Promise<ServiceEvents> {
  const { serviceName: service, eventsPublish, eventsMaxBytes: maxBytes } = config
  const transports = await openTransports(config, logger, {
    ...(store && { store }),
    ...(replays && { replays }),
  })
  if (metrics) subscriptionMetrics({ registry: metrics, service, ...transports })
  const observer = {
    ...eventContext(),
    ...(metrics && eventMetrics({ registry: metrics, types: registry.names })),
  }
  const publishVersions = parseHeldBack(eventsPublish) ?? {}
  const shards = parseShards(config.eventsShards) ?? {}
  const { eventsKeepAliveMs: keepAliveMs } = config
  const timing = { keepAliveMs, recoverEveryMs: Math.min(15_000, keepAliveMs) }
  const common = { service, transports, logger, observer, publishVersions, shards, maxBytes, timing }
  const events = createEvents({ ...common, audit: (done) => record(deadLettersAudit(done)) })
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
  const tags = ownedDomains.flatMap((domain) => tagsOf(domain, shards))
  return {
    events,
    transports,
    live: createLive({ transports, contracts: registry.contracts, logger, shards }),
    operations: createEventOperations({ events, registry, record, moveOwner }),
    keepRetention: () => keepRetention(config, transports, { tags, logger, observer }),
  }
}

async function openTransports(
  config: EventsConfig,
  logger: Logger,
  kept: Pick<ServiceEventsOptions, 'store' | 'replays'>,
): Promise<ServiceTransports> {
  const { redisUrl, redisTimeoutMs: timeoutMs, serviceName: name } = config
  if (redisUrl === 'memory://') return memoryTransports()
  return await redisTransports({
    connect: eventConnector(redisUrl, { name, timeoutMs }),
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
