import type { Events } from '@kiln/shared'
import type { Transaction } from 'kysely'
import type { Schema } from './infrastructure/database/schema.ts'
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
