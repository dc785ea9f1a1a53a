import { AsyncLocalStorage } from 'node:async_hooks'

/** The W3C trace context that work arrived with. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string | undefined
}

/** Why something is done: a request or an event. It follows every asynchronous call that the work makes. */
export interface WorkContext {
  /** Joins what belongs together, across services; undefined for a batch whose events differ in it. */
  readonly correlationId: string | undefined
  readonly trace: () => TraceContext | undefined
  /** The event being handled; undefined while a request is served. */
  readonly event?: HandledEvent
}

export interface HandledEvent {
  /** The first one's, of a batch. */
  readonly id: string
  readonly type: string
  readonly subscription: string
}

const storage = new AsyncLocalStorage<WorkContext>()

/** The work that the caller is part of; undefined outside of any. */
export function currentWork(): WorkContext | undefined {
  return storage.getStore()
}

/** Does something as a part of some work. */
export function runAs<Result>(context: WorkContext, run: () => Result): Result {
  return storage.run(context, run)
}

/** What every log line says about the work it belongs to. */
export function workFields(): Record<string, unknown> {
  const work = storage.getStore()
  if (work === undefined) return {}
  const { correlationId, event } = work
  if (event === undefined) return { correlation_id: correlationId }
  const { id, type, subscription } = event
  return { correlation_id: correlationId, event_id: id, event_type: type, subscription }
}

/** Reads a `traceparent`; undefined where it is not a valid one. @see https://www.w3.org/TR/trace-context/ */
export function traceContextOf(
  traceparent: string | null | undefined,
  tracestate?: string | null | undefined,
): TraceContext | undefined {
  const match = wellFormed.exec(traceparent ?? '')
  if (!traceparent || !match || match[1] === '0'.repeat(32)) return undefined
  return { traceparent, ...(tracestate && { tracestate: tracestate.slice(0, 512) }) }
}

/** The trace id of the work, if it arrived with one. */
export function traceIdOf(work: Pick<WorkContext, 'trace'>): string | undefined {
  return wellFormed.exec(work.trace()?.traceparent ?? '')?.[1]
}

const wellFormed = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}$/
