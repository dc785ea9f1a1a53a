import type { Events } from '@kiln/shared'
import { describeEvents, type EventDocsConfig } from '@kiln/shared/service'
import type { Transaction } from 'kysely'
import packageJson from '../package.json' with { type: 'json' }
import type { Schema } from './infrastructure/database/schema.ts'
import { published, registry } from './infrastructure/events.ts'
import { notifyApplicants } from './modules/example/notify.ts'

/** Everything this service consumes. */
const consumers: readonly ((events: Events<Transaction<Schema>>) => void)[] = [
  // One line each.
  notifyApplicants,
]

/** Declares it; whoever calls it starts and closes the events. */
export function declareConsumers(events: Events<Transaction<Schema>>): void {
  for (const declare of consumers) declare(events)
}

/** What the service publishes and consumes, as AsyncAPI. */
export function asyncApiOf(config: EventDocsConfig) {
  const { name: title, version, description } = packageJson
  return describeEvents(config, {
    title,
    version,
    description,
    registry,
    published,
    declare: declareConsumers,
  })
}
