export { createEvents } from './events/client.ts'
export type { EventAttributes } from './events/compose.ts'
export type {
  BatchHandler,
  ContextOf,
  Handler,
  HandlerContext,
  ReceivedEvent,
  SubscribeOptions,
  Subscription,
  TransactionContext,
} from './events/consume/subscription.ts'
export { contracts } from './events/contracts/all.ts'
export type * from './events/dead-letters.ts'
export { type Envelope, fromFields, fromStructured, toFields, toStructured } from './events/envelope.ts'
export * from './events/errors.ts'
export * from './events/event.ts'
export type * from './events/events.ts'
export type { SubscriptionHealth } from './events/health.ts'
export type * from './events/inbox.ts'
export { createLive, type Live, type LiveEvent, type LiveOptions, type Watcher } from './events/live/live.ts'
export type * from './events/observer.ts'
export {
  createEventOperations,
  deadLettersAudit,
  type EventOperations,
  type EventsAudit,
} from './events/operations.ts'
export type * from './events/outbox.ts'
export { createOutboxPublisher, type OutboxPublisherOptions } from './events/outbox-publisher.ts'
export type { ParkedEvent } from './events/parked.ts'
export type { Capabilities } from './events/redis/capabilities.ts'
export {
  type Connect,
  connectionOptions,
  type Purpose,
  type RedisClient,
} from './events/redis/connections.ts'
export {
  type RenameOwnerOptions,
  renameOwner,
} from './events/redis/rename-owner.ts'
export { enforceRetention, type RetentionOptions, type RetentionReport } from './events/redis/retention.ts'
export {
  type RedisTransports,
  type RedisTransportsOptions,
  redisTransports,
} from './events/redis/transports.ts'
export { createRegistry, type Registry } from './events/registry.ts'
export type { ReplayOptions } from './events/replay.ts'
export type { ReplayJob, ReplayJobs } from './events/replay-jobs.ts'
export { type Backoff, backoffMs } from './events/retry.ts'
export { silentLogger } from './events/silent-logger.ts'
export { memoryStore, type SubscriptionRecord, type SubscriptionStore } from './events/store.ts'
export type { Shards } from './events/tags.ts'
export type * from './events/transport.ts'
export { memoryTransports, type Transports } from './events/transports.ts'
