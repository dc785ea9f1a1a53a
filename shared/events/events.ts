import type { EventAttributes } from './compose.ts'
import type { Timing } from './consume/pool.ts'
import type {
  BatchHandler,
  ContextOf,
  Handler,
  ReceivedEvent,
  SubscribeOptions,
  Subscription,
} from './consume/subscription.ts'
import type { DeadLetterAudit, DeadLetters } from './dead-letters.ts'
import type { Envelope } from './envelope.ts'
import type { BroadcastContract, EventContract, PublishData, StreamContract } from './event.ts'
import type { SubscriptionHealth } from './health.ts'
import type { Inbox } from './inbox.ts'
import type { EventLogger, EventObserver } from './observer.ts'
import type { EventArchive, Outbox } from './outbox.ts'
import type { ParkedEvent } from './parked.ts'
import type { ReplayOptions } from './replay.ts'
import type { ReplayJob } from './replay-jobs.ts'
import type { Shards } from './tags.ts'
import type { AppendOutcome } from './transport.ts'
import type { Transports } from './transports.ts'

export interface EventsOptions<Trx = never> {
  /** The service's name: every event's source and the prefix of every group. */
  readonly service: string
  /** Borrowed: close it after `close()`. */
  readonly transports: Transports
  readonly logger: EventLogger
  readonly observer?: EventObserver
  /** Where `publish` with `trx` writes. */
  readonly outbox?: Outbox<Trx>
  /** What transactional subscriptions need. */
  readonly inbox?: Inbox<Trx>
  /** Where a replay finds what the stream keeps no longer. */
  readonly archive?: EventArchive
  readonly shards?: Shards
  /** Events held back at an older version during a rollout: `{ 'user.created': 1 }`. */
  readonly publishVersions?: Readonly<Record<string, number>>
  /** Default 256 KiB. */
  readonly maxBytes?: number
  readonly now?: () => number
  readonly newId?: () => string
  readonly random?: () => number
  readonly timing?: Partial<Timing>
  /** Takes who redrives or purges which dead letters, before and after. Default: only the log. */
  readonly audit?: (audit: DeadLetterAudit) => Promise<void>
}

export interface PublishOptions<Trx> extends EventAttributes {
  /** Send it through the outbox, if and only if this transaction commits. */
  readonly trx?: Trx
}

export interface Published {
  readonly id: string
  /** Its place in the stream, `<milliseconds>-<sequence>`; undefined for broadcasts and through the outbox. */
  readonly entryId: string | undefined
}

/** Events without transactions have no transactional subscriptions either. */
export type MayBeTransactional<Trx> = [Trx] extends [never] ? false : boolean

export interface Events<Trx = never> {
  readonly service: string
  /**
   * Publishes one event and waits until the event server has accepted it.
   *
   * Durable events are delivered at least once. Not atomic with your database: pass `trx` when the event must exist
   * if and only if the row does. Broadcasts reach whoever listens now.
   *
   * @throws {EventError} `EVENT_INVALID` before anything is sent; `EVENT_NOT_SENT`, `EVENT_STREAM_FULL` when it was
   * not written; `EVENT_NOT_CONFIRMED` when it may have been: publish it again with the same `id`.
   */
  publish<C extends EventContract>(
    contract: C,
    data: PublishData<C>,
    options?: PublishOptions<Trx>,
  ): Promise<Published>
  /**
   * Publishes many durable events in their order, pipelined. All are checked before the first is sent.
   *
   * @throws {EventError} as `publish`; the error's `ids` name the events that failed, and every other arrived.
   */
  publishMany<C extends StreamContract>(
    contract: C,
    data: readonly PublishData<C>[],
    options?: Omit<PublishOptions<Trx>, 'id'> & {
      readonly idOf?: (data: PublishData<C>, index: number) => string
    },
  ): Promise<readonly Published[]>
  /** Sends events that were composed before, as an outbox keeps them: one outcome each, in their order; never rejects. */
  forward(events: readonly Envelope[]): Promise<readonly AppendOutcome[]>
  /** Resolves when the death of this process can no longer lose the event. */
  safe(event: Envelope, entryId: string): Promise<void>
  /**
   * Declares a subscription: one group, one handler, over one or more durable events.
   *
   * The handler may see an event more than once. It has succeeded when its promise resolves; what it throws is
   * retried, except PermanentError (dead letter at once) and DependencyError (the subscription waits).
   *
   * @throws {EventError} `EVENT_SUBSCRIPTION_INVALID` with every problem.
   */
  subscribe<C extends StreamContract, Transactional extends MayBeTransactional<Trx> = false>(
    contracts: C | readonly C[],
    options: SubscribeOptions & { readonly transactional?: Transactional },
    handle: Handler<C, ContextOf<Trx, Transactional>>,
  ): void
  /** As `subscribe`, up to `maxBatch` events at a time. A thrown error halves the batch; BatchError names the culprits. */
  subscribeBatch<C extends StreamContract, Transactional extends MayBeTransactional<Trx> = false>(
    contracts: C | readonly C[],
    options: Omit<SubscribeOptions, 'ordered' | 'onDeadLetter' | 'maxBehind'> & {
      readonly transactional?: Transactional
    },
    handle: BatchHandler<C, ContextOf<Trx, Transactional>>,
  ): void
  /** Listens to a broadcast: no group, no replay; what the handler throws is logged. */
  listen<C extends BroadcastContract>(contract: C, handle: (event: ReceivedEvent<C>) => unknown): void
  /** Registers the subscriptions and begins to read. @throws when the event server cannot be reached. */
  start(): Promise<void>
  /**
   * Stops reading, hands back what was not started, waits for running handlers.
   *
   * @param deadlineMs how long to wait. Default 10,000.
   * @returns the event types whose handlers were still running then, their signals aborted.
   */
  close(deadlineMs?: number): Promise<readonly string[]>
  readonly subscriptions: readonly Subscription[]
  readonly deadLetters: DeadLetters
  /** What waits for a release that knows its version. @throws {EventError} `EVENT_UNKNOWN` */
  parked(subscription: string): Promise<readonly ParkedEvent[]>
  /** Stops reading a registered subscription, in every process and across restarts. @throws {EventError} `EVENT_UNKNOWN` */
  pause(subscription: string): Promise<void>
  /** @throws {EventError} `EVENT_UNKNOWN` */
  resume(subscription: string): Promise<void>
  /**
   * Handles past events again, in a group of its own, marked `event.replay`: live subscriptions are not touched. It
   * ends at the last entry there was when it began, and goes on after a restart. Failures go to the subscription's
   * dead letters.
   *
   * @returns the stored job; with `dryRun`, only what it would be.
   * @throws {EventError} `EVENT_SUBSCRIPTION_INVALID` when the subscription or an event may not be replayed.
   */
  replay(options: ReplayOptions): Promise<ReplayJob>
  /** Every replay of this service, newest first. */
  replays(): Promise<readonly ReplayJob[]>
  /** Ends a running replay; false when it was not running. */
  cancelReplay(id: string): Promise<boolean>
  /** Where every registered subscription of this service stands. @throws when the event server cannot be reached. */
  health(): Promise<readonly SubscriptionHealth[]>
}
