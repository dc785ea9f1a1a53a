import type { Transaction } from 'kysely'
import type { OutboxPublisher } from '../events/outbox.ts'
import { createOutboxPublisher } from '../events/outbox-publisher.ts'
import { postgresOutbox } from '../postgres/outbox/add.ts'
import { type EventsConfig, parseHeldBack } from './event-settings.ts'

/** What publishing with rows needs of a service's configuration. */
export type OutboxConfig = Pick<EventsConfig, 'serviceName' | 'eventsMaxBytes' | 'eventsPublish'>

/** The names of what `OutboxConfig` holds. */
export const outboxConfigKeys = ['serviceName', 'eventsMaxBytes', 'eventsPublish'] as const

/** Publishes with rows where no event server is at hand; a relay of the running service sends them. */
export function openServiceOutbox<Schema>(config: OutboxConfig): OutboxPublisher<Transaction<Schema>> {
  const { serviceName: source, eventsMaxBytes: maxBytes, eventsPublish } = config
  return createOutboxPublisher<Transaction<Schema>>({
    outbox: postgresOutbox(),
    source,
    maxBytes,
    publishVersions: parseHeldBack(eventsPublish) ?? {},
  })
}
