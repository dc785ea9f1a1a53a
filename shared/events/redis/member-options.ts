import type { EventLogger } from '../observer.ts'
import type { SubscriptionStore } from '../store.ts'
import type { JoinOptions } from '../transport.ts'
import type { RedisClient } from './connections.ts'

/** What a member of a group works with: its place, its connections and its limits. */
export interface MemberOptions extends JoinOptions {
  readonly prefix: string
  readonly consumer: string
  readonly commands: RedisClient
  readonly reading: RedisClient
  readonly store: SubscriptionStore
  readonly logger: EventLogger
  readonly keepAliveMs: number
  readonly leaseMs: number
  readonly blockMs: number
  readonly maxReadBytes: number
  readonly maxEntryBytes: number
}
