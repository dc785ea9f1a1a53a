import { hostname } from 'node:os'
import {
  contracts,
  createEventOperations,
  createEvents,
  createLive,
  createRegistry,
  deadLettersAudit,
  type EventObserver,
  type EventOperations,
  type Events,
  type EventsAudit,
  enforceRetention,
  type Live,
  memoryTransports,
  type PublishData,
  type RedisTransports,
  redisTransports,
  type StreamContract,
  type Transports,
} from '@kiln/shared'
import { eventContext, eventMetrics, type Logger, subscriptionMetrics } from '@kiln/shared/observability'
import { eventConnector } from '@kiln/shared/redis'
import { repeat } from '@kiln/shared/repeat'
import type { Registry } from 'prom-client'
import { type Config, parseHeldBack } from '../config.ts'

/** Every event that the service knows; its own contracts are added here. */
export const registry = createRegistry(contracts)

/** The domains whose events this service owns: it alone trims their streams. */
const ownedDomains = ['user']

const retentionEveryMs = 60_000

export type EventsConfig = Pick<
  Config,
  | 'serviceName'
  | 'redisUrl'
  | 'redisTimeoutMs'
  | 'eventsPrefix'
  | 'eventsMaxBytes'
  | 'eventsPublish'
  | 'eventsKeepAliveMs'
  | 'eventsRetentionHours'
  | 'eventsRetentionBytes'
  | 'eventsOverflow'
>

/** What a command needs to reach the events. */
export const eventsConfigKeys = [
  'serviceName',
  'redisUrl',
  'redisTimeoutMs',
  'eventsPrefix',
  'eventsMaxBytes',
  'eventsPublish',
  'eventsKeepAliveMs',
  'eventsRetentionHours',
  'eventsRetentionBytes',
  'eventsOverflow',
] as const satisfies readonly (keyof EventsConfig)[]

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
  readonly logger: Logger
  readonly metrics?: Registry
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
  { logger, metrics, record }: ServiceEventsOptions,
): Promise<ServiceEvents> {
  const { serviceName: service, eventsPublish, eventsMaxBytes: maxBytes } = config
  const transports = await openTransports(config, logger)
  if (metrics) subscriptionMetrics({ registry: metrics, service, ...transports })
  const observer = {
    ...eventContext(),
    ...(metrics && eventMetrics({ registry: metrics, types: registry.names })),
  }
  const publishVersions = parseHeldBack(eventsPublish) ?? {}
  const { eventsKeepAliveMs: keepAliveMs } = config
  const timing = { keepAliveMs, recoverEveryMs: Math.min(15_000, keepAliveMs) }
  const common = { service, transports, logger, observer, publishVersions, maxBytes, timing }
  const events = createEvents({ ...common, audit: (done) => record(deadLettersAudit(done)) })
  return {
    events,
    transports,
    live: createLive({ transports, contracts: registry.contracts, logger }),
    operations: createEventOperations({ events, transports, registry, record }),
    keepRetention: () => keepRetention(config, transports, { logger, observer }),
  }
}

async function openTransports(config: EventsConfig, logger: Logger): Promise<ServiceTransports> {
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
  })
}

function keepRetention(
  config: EventsConfig,
  { commands, store }: ServiceTransports,
  { logger, observer }: { logger: Logger; observer: EventObserver },
): () => Promise<void> {
  if (commands === undefined) return async () => {}
  const trim = () =>
    enforceRetention({
      redis: commands,
      store,
      logger,
      observer,
      tags: ownedDomains,
      prefix: config.eventsPrefix,
      maxAgeMs: config.eventsRetentionHours * 3_600_000,
      maxBytes: config.eventsRetentionBytes,
      overflow: config.eventsOverflow,
    })
  const failed = (error: unknown) => logger.warn({ err: error }, 'the streams could not be trimmed')
  return repeat(trim, { everyMs: retentionEveryMs, failed })
}

/** Publishes what is committed already: the caller has succeeded, so a failure is logged and not thrown. */
export type Announce = <C extends StreamContract>(contract: C, data: PublishData<C>) => Promise<void>

export function createAnnounce(events: Pick<Events, 'publish'>, logger: Logger): Announce {
  return async (contract, data) => {
    try {
      await events.publish(contract, data)
    } catch (error) {
      logger.error({ err: error, event_type: contract.name }, 'a committed change was not published')
    }
  }
}
