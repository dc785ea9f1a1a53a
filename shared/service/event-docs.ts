import { type AsyncApiOptions, asyncApi } from '../events/async-api.ts'
import type { AsyncApiDocument } from '../events/async-api-document.ts'
import { createEvents } from '../events/client.ts'
import golden from '../events/contracts/golden.json' with { type: 'json' }
import type { Events } from '../events/events.ts'
import { silentLogger } from '../events/silent-logger.ts'
import { memoryTransports } from '../events/transports.ts'
import { type EventsConfig, parseShards } from './event-settings.ts'

export type EventDocsConfig = Pick<EventsConfig, 'serviceName' | 'eventsPrefix' | 'eventsShards'>
export const eventDocsConfigKeys = ['serviceName', 'eventsPrefix', 'eventsShards'] as const

export interface EventDocsOptions<Trx>
  extends Pick<AsyncApiOptions, 'title' | 'version' | 'description' | 'registry' | 'published' | 'examples'> {
  /** Declares the subscriptions of the service; nothing is started. */
  readonly declare: (events: Events<Trx>) => void
}

/** What a service of this configuration publishes and consumes; the same whichever roles a process has. */
export function describeEvents<Trx>(
  config: EventDocsConfig,
  { declare, examples, ...options }: EventDocsOptions<Trx>,
): AsyncApiDocument {
  const { serviceName: service, eventsPrefix: prefix } = config
  const events = createEvents<Trx>({
    service,
    transports: memoryTransports(),
    logger: silentLogger,
    inbox: { handle: neverStarted, rename: neverStarted },
  })
  declare(events)
  const { subscriptions } = events
  return asyncApi({
    ...options,
    service,
    prefix,
    shards: parseShards(config.eventsShards) ?? {},
    subscriptions,
    examples: { ...golden, ...examples },
  })
}

async function neverStarted(): Promise<void> {
  throw new Error('events that are only described are not consumed')
}
