import type { Events } from '@kiln/shared'
import { notifyApplicants } from './modules/example/notify.ts'

/** Everything this service consumes. Declares it; whoever calls it starts and closes the events. */
export function declareConsumers(events: Events): void {
  notifyApplicants(events)
}
