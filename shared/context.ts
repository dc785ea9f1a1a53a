import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context } from '@opentelemetry/api'
import type { DatabaseConnection } from 'kysely'
import type { TraceContext } from './trace-context.ts'

export { TraceContext, traceContextOf } from './trace-context.ts'

/** Why something is done: a request or an event. It follows every asynchronous call that the work makes. */
export interface WorkContext {
  /** Joins what belongs together, across services; undefined for a batch whose events differ in it. */
  readonly correlationId: string | undefined
  /** Where the work stands in its trace. */
  readonly trace: TraceContext | undefined
  /** The `baggage` that the work arrived with. */
  readonly baggage?: () => string | undefined
  /** When it began, as `performance.now()` says; undefined for a part of the work, whose span is another. */
  readonly startedAtMs?: number | undefined
  /** When its time is up, as `performance.now()` says; Infinity once it has its answer. */
  readonly deadlineMs?: number
  /** True where whoever asked has gone. */
  readonly isAbandoned?: () => boolean
  /** What OpenTelemetry's own API has put here, if anything was: a span that the service's author began. */
  readonly active?: Context | undefined
  /** The event being handled; undefined while a request is served. */
  readonly event?: HandledEvent
  /** What every transaction of the work ends with; what it throws rolls the transaction back. */
  readonly beforeCommit?: ((connection: DatabaseConnection) => Promise<void>) | undefined
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

const outside: WorkContext = { correlationId: undefined, trace: undefined }

/** Does something as a part of the same work, at another place of its trace. */
export function runAt<Result>(
  trace: TraceContext | undefined,
  run: () => Result,
  active?: Context | undefined,
): Result {
  // What is asked of the work itself, such as the request being served, is still answered by it.
  const work: WorkContext = Object.assign(Object.create(storage.getStore() ?? outside), {
    trace,
    startedAtMs: undefined,
    active,
  })
  return storage.run(work, run)
}

/** What every log line says about the work it belongs to. */
export function workFields(): Record<string, unknown> {
  const work = storage.getStore()
  if (work === undefined) return {}
  const { correlationId, event } = work
  const trace = work.trace
  return {
    ...(correlationId !== undefined && { correlation_id: correlationId }),
    ...(trace && { trace_id: trace.traceId, span_id: trace.spanId }),
    ...(event && { event_id: event.id, event_type: event.type, subscription: event.subscription }),
  }
}

/** The trace id of the work. */
export function traceIdOf(work: Pick<WorkContext, 'trace'>): string | undefined {
  return work.trace?.traceId
}
