import type { EventLogger, EventObserver } from '../observer.ts'
import type { GroupMember } from '../transport.ts'
import type { Subscription } from './subscription.ts'

/** What the events of one subscription on one tag are handled with. */
export interface DispatcherOptions {
  readonly subscription: Subscription
  /** The subscription's, or the replay's. */
  readonly group: string
  readonly member: GroupMember
  readonly replay: boolean
  readonly observer: EventObserver
  readonly logger: EventLogger
  readonly now: () => number
  readonly random: () => number
}
