import type { Envelope } from './envelope.ts'

/** The part of a pino logger this package uses. */
export interface EventLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What publishing takes from whoever called it. */
export interface PublishContext {
  readonly correlationId?: string | undefined
  readonly causationId?: string | undefined
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  readonly baggage?: string | undefined
}

/** `duplicate`: the inbox knew that it was handled before, so it was acknowledged without its handler. */
export type Outcome = 'done' | 'duplicate' | 'retried' | 'dead' | 'parked' | 'skipped' | 'postponed' | 'lost'

export interface Consumption {
  readonly subscription: string
  readonly type: string
  readonly outcome: Outcome
  readonly replay: boolean
  /** How long the handler ran. */
  readonly durationMs: number
  /** From the entry's place in the stream to its outcome. */
  readonly latencyMs: number
}

/**
 * Where metrics and tracing attach. Every method is optional and must not throw.
 *
 * `publishing` and `handling` wrap the work, for spans and for context that follows asynchronous calls; they must
 * call `run` exactly once and return what it returns.
 */
export interface EventObserver {
  publishing?<T>(events: readonly Envelope[], run: () => Promise<T>): Promise<T>
  handling?(subscription: string, events: readonly Envelope[], run: () => Promise<void>): Promise<void>
  /** What `publish` puts into an event when the caller did not say. */
  context?(): PublishContext
  published?(type: string, count: number, durationMs: number): void
  /** Events were published again with their ids, and not added again. */
  duplicated?(type: string, count: number): void
  publishFailed?(type: string, count: number, code: string): void
  /** A broadcast over its `maxPerSecond` was dropped. */
  dropped?(type: string): void
  consumed?(consumption: Consumption): void
  /** Entries were trimmed before the group finished them, or the cap took them: data loss. */
  entriesLost?(where: {
    readonly tag: string
    readonly group: string | undefined
    readonly count: number
  }): void
  /** The subscription waits for a dependency, or goes on. */
  paused?(subscription: string, paused: boolean): void
}
