import type { Envelope } from '../envelope.ts'
import { EventError, isDatabaseAway } from '../errors.ts'
import type { EventContract, HandledData, StreamContract } from '../event.ts'
import type { EventIdentity } from '../inbox.ts'
import type { Backoff } from '../retry.ts'
import type { StartPosition } from '../transport.ts'

/** An event as a handler receives it: a union over the contracts subscribed to, told apart by `type`. */
export type ReceivedEvent<C extends EventContract = EventContract> = C extends EventContract
  ? {
      readonly id: string
      readonly source: string
      readonly type: C['name']
      /** RFC 3339; the entry's own time when the publisher gave none. */
      readonly time: string
      readonly data: HandledData<C>
      /** The ordering key. */
      readonly key: string
      readonly correlationId: string | undefined
      readonly causationId: string | undefined
      /**
       * The outbox's number for it: within a key and a source it grows as their transactions committed. When the event
       * server has lost what it had accepted, the relay sends it again, behind later events of its key: a consumer that
       * keeps the last number it applied, beside what it wrote, drops the stale by it. Undefined outside an outbox.
       */
      readonly sequence: string | undefined
      /** The id in its domain's stream, the same for every delivery. */
      readonly entryId: string
      /** From 1; failures and crashed deliveries count, waiting for a dependency does not. */
      readonly attempt: number
      /** It was redriven from the dead letters, so later events of its key may have been handled before. */
      readonly redelivered: boolean
      /** It is replayed: the live subscription has had it, or will. */
      readonly replay: boolean
    }
  : never

export interface HandlerContext {
  /** `<service>.<subscription>`, in a replay its own: with `source` and `id`, the key of an inbox row. */
  readonly group: string
  readonly subscription: string
  /** Aborted at `timeoutMs`, at shutdown's deadline, or when another process has taken the event over. */
  readonly signal: AbortSignal
}

/** What a handler of a transactional subscription gets. */
export interface TransactionContext<Trx> extends HandlerContext {
  /**
   * What is written through it, and what is published with it, is kept together with the note that the event was handled:
   * all or nothing. It is committed when the handler's promise resolves and rolled back when it rejects or when `signal`
   * aborts; after that it takes no statement.
   */
  readonly trx: Trx
}

/** A handler's context: with a transaction exactly where the subscription says `transactional: true`. */
export type ContextOf<Trx, Transactional> = Transactional extends true
  ? TransactionContext<Trx>
  : HandlerContext

export type Handler<C extends EventContract, Context = HandlerContext> = (
  event: ReceivedEvent<C>,
  context: Context,
) => Promise<unknown> | unknown
export type BatchHandler<C extends EventContract, Context = HandlerContext> = (
  events: readonly ReceivedEvent<C>[],
  context: Context,
) => Promise<unknown> | unknown

/** One call of a handler: what it gets, and what the subscription may do with it. */
export interface Call extends HandlerContext {
  /** Of its events, in their order. */
  readonly identities: readonly EventIdentity[]
  /** Says which events the handler gets; the others were handled before. */
  handles(fresh: ReadonlySet<number>): void
}

export interface SubscribeOptions {
  /** Written by hand and never changed: with the service's name it is the group. */
  readonly name: string
  /** Where a new subscription starts; without effect once it is registered. Default `new`. */
  readonly from?: 'new' | 'beginning' | Date
  /** Events of one key one after the other, each after the one before it succeeded. Default false. */
  readonly ordered?: boolean
  /**
   * The handler gets `trx`, a transaction of the database of `createEvents`' inbox, with what it writes there taking
   * effect exactly once: an event that comes again is acknowledged without the handler. That holds for as long as the
   * inbox keeps its row, and for nothing done outside `trx`. A batch is one transaction, rolled back as a whole. A replay
   * handles again what the live subscription has handled: once per replay. Default false.
   */
  readonly transactional?: boolean
  /** Handlers at once, per process and tag. Default 16; transactional, each holding a connection, 4. */
  readonly concurrency?: number
  /** After this a handler has failed: its signal aborts. Default 30,000. */
  readonly timeoutMs?: number
  /** Failures, crashes included, until the dead letters. Default 5. */
  readonly attempts?: number
  /** Default 1 s doubling to 5 minutes. */
  readonly backoff?: Backoff
  /** Ordered only: whether a key goes on after a dead letter or waits for its redrive. Default `continue`. */
  readonly onDeadLetter?: 'continue' | 'hold'
  /** Ordered only: later events of one held key that may wait; at the bound reading pauses. Default 10,000. */
  readonly maxBehind?: number
  /** Different events failing in a row, none succeeding between them, until the subscription pauses. Default 10. */
  readonly pauseAfterFailures?: number
  /** First wait for a dependency; doubles to 30 s. Default 500. */
  readonly pauseMs?: number
  /**
   * Errors that mean that a dependency is down, besides DependencyError and an open breaker's. Default `isDatabaseAway`:
   * call it from your own.
   */
  readonly isDependencyError?: (error: unknown) => boolean
  /** Allows `replay` into this handler. Default false. */
  readonly replayable?: boolean
  /** Batch handlers: at most so many events at once. Default 100. */
  readonly maxBatch?: number
}

/** A declared subscription with every default filled in. */
export interface Subscription extends Required<Omit<SubscribeOptions, 'from'>> {
  readonly group: string
  readonly start: StartPosition
  readonly contracts: ReadonlyMap<string, StreamContract>
  readonly domains: readonly string[]
  readonly batched: boolean
  readonly handle: (events: readonly ReceivedEvent[], call: Call) => Promise<unknown> | unknown
}

/** A received event beside the envelope it came in. */
export interface Received {
  readonly envelope: Envelope
  readonly event: ReceivedEvent
}

const NAME = /^[a-z][a-z0-9-]{0,62}$/

/**
 * Fills in the defaults and reports every problem at once.
 *
 * @throws {EventError} `EVENT_SUBSCRIPTION_INVALID`
 */
export function declareSubscription(
  service: string,
  contracts: readonly StreamContract[],
  options: SubscribeOptions,
  { batched, hasInbox, handle }: Pick<Subscription, 'batched' | 'handle'> & { readonly hasInbox: boolean },
): Subscription {
  const { from = 'new', ordered = false, transactional = false, timeoutMs = 30_000, attempts = 5 } = options
  const { concurrency = transactional ? 4 : 16 } = options
  const { onDeadLetter = 'continue', maxBehind = 10_000, pauseAfterFailures = 10, pauseMs = 500 } = options
  const domains = [...new Set(contracts.map(({ domain }) => domain))]

  const problems: string[] = []
  if (!NAME.test(options.name)) problems.push('name is lower case letters, digits and dashes, at most 63')
  if (contracts.length === 0) problems.push('it names no event')
  if (new Set(contracts.map(({ name }) => name)).size < contracts.length)
    problems.push('it names an event twice')
  for (const { name, delivery } of contracts) {
    if (delivery !== 'stream') problems.push(`${name} is a broadcast: listen to it`)
  }
  if (ordered && domains.length > 1) problems.push('order exists within one domain only')
  if (ordered && batched) problems.push('a batch has no order of its own')
  if (transactional && !hasInbox) problems.push('transactional needs an inbox')
  for (const [field, value] of Object.entries({
    concurrency,
    timeoutMs,
    attempts,
    maxBehind,
    pauseAfterFailures,
    pauseMs,
  })) {
    if (!Number.isSafeInteger(value) || value < 1) problems.push(`${field} is a whole number from 1`)
  }
  if (problems.length > 0) {
    throw new EventError('EVENT_SUBSCRIPTION_INVALID', `subscription ${options.name}: ${problems.join('; ')}`)
  }

  return {
    name: options.name,
    group: `${service}.${options.name}`,
    start: from instanceof Date ? from.getTime() : from,
    contracts: new Map(contracts.map((contract) => [contract.name, contract])),
    domains,
    ordered,
    transactional,
    concurrency,
    timeoutMs,
    attempts,
    onDeadLetter,
    maxBehind,
    pauseAfterFailures,
    pauseMs,
    backoff: options.backoff ?? { baseMs: 1000, maxMs: 300_000 },
    isDependencyError: options.isDependencyError ?? isDatabaseAway,
    replayable: options.replayable ?? false,
    maxBatch: options.maxBatch ?? 100,
    batched,
    handle,
  }
}
