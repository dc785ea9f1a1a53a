import { createTraceState, type HrTime, type SpanContext, TraceFlags } from '@opentelemetry/api'
import type { WorkContext } from '../../context.ts'
import type { TraceContext } from '../../trace-context.ts'
import type { EncodedSpan } from './otlp-encoding.ts'

/** A span that has ended. Times are those of `performance.now()`. */
export interface EndedSpan extends Omit<EncodedSpan, 'startedAt' | 'endedAt'> {
  readonly startedAtMs: number
  readonly endedAtMs: number
}

/** Takes a span that has ended; those that are not sampled must not be given. */
export type RecordSpan = (span: EndedSpan) => void

/** Takes the span of a work that has ended, whose place the span has. */
export type EndWork = (work: WorkContext, span: EndedSpan) => void

/** A place of a trace as OpenTelemetry writes it. */
export function spanContextOf({ traceId, spanId, sampled, tracestate }: TraceContext): SpanContext {
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return tracestate === undefined
    ? { traceId, spanId, traceFlags }
    : { traceId, spanId, traceFlags, traceState: createTraceState(tracestate) }
}

/** What `error.type` says of an error: its code where it has one, else its class. */
export function errorType(error: unknown): string {
  if (!(error instanceof Error)) return '_OTHER'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

const maxDriftMs = 20
let offsetMs = 0

/** One offset for all spans, so that a child never begins before its parent; set anew when the clock was. */
export function epochMs(atMs: number): number {
  const drift = Date.now() - performance.now() - offsetMs
  if (drift > maxDriftMs || drift < -maxDriftMs) offsetMs += drift
  return offsetMs + atMs
}

export function epochTime(atMs: number): HrTime {
  const ms = epochMs(atMs)
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}
