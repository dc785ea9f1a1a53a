export { atCommit } from './at-commit.ts'
export { type CompiledStatement, compiled } from './compiled.ts'
export { connectDatabase, type DatabaseOptions } from './database.ts'
export { asDatabaseFailure, violatedConstraint } from './failures.ts'
export { postgresIdempotencyKeys, pruneIdempotencyKeys } from './idempotency-keys.ts'
export { postgresInbox, pruneInbox } from './inbox.ts'
export { lookup } from './lookup.ts'
export { migrateShared, sharedMigrationStatus, sharedMigrations } from './migrations/index.ts'
export { type PostgresOutboxOptions, postgresOutbox } from './outbox/add.ts'
export { postgresArchive } from './outbox/archive.ts'
export type { OutboxObserver } from './outbox/observer.ts'
export { type ArchiveKept, type KeepArchiveOptions, keepArchive } from './outbox/partitions.ts'
export { type Redriven, type RedriveOptions, redriveOutbox } from './outbox/redrive.ts'
export { createRelay, type Relay, type RelayOptions } from './outbox/relay.ts'
export { type OutboxStatus, outboxStatus } from './outbox/status.ts'
export {
  createNotifier,
  listenForWake,
  type Notifier,
  type WakeListenerOptions,
} from './outbox/wake.ts'
export type { EndedQuery, QueryObserver, Statement } from './query-observer.ts'
export { postgresReplayJobs } from './replay-jobs.ts'
export { postgresStore } from './subscription-store.ts'
