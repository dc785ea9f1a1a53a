import {
  type Attributes,
  createTraceState,
  type HrTime,
  type Link,
  type SpanContext,
  type SpanKind,
  SpanStatusCode,
  TraceFlags,
} from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import type { WorkContext } from '../../context.ts'
import type { TraceContext } from '../../trace-context.ts'

/** A span that has ended. Times are those of `performance.now()`. */
export interface EndedSpan {
  readonly name: string
  readonly kind: SpanKind
  /** Its own place. */
  readonly trace: TraceContext
  readonly startedAtMs: number
  readonly endedAtMs: number
  readonly attributes: Attributes
  /** `error.type`, where it failed: a code or a class, never a message. */
  readonly error?: string | undefined
  /** Other spans that caused it. */
  readonly links?: readonly TraceContext[] | undefined
}

/** Takes a span that has ended; those that are not sampled must not be given. */
export type RecordSpan = (span: EndedSpan) => void

/** Takes the span of a work that has ended, whose place the span has. */
export type EndWork = (work: WorkContext, span: EndedSpan) => void

const none: never[] = []
const scope = { name: '@kiln/shared' }

/** Makes of each ended span what OpenTelemetry exports, all at once: while it runs there is no object for it. */
export function spanRecorder(resource: Resource, take: (span: ReadableSpan) => void): RecordSpan {
  return ({ name, kind, trace, startedAtMs, endedAtMs, attributes, error, links }) => {
    const own = spanContextOf(trace)
    const failed = error !== undefined
    take({
      name,
      kind,
      spanContext: () => own,
      ...(trace.parentSpanId !== undefined && {
        parentSpanContext: { traceId: trace.traceId, spanId: trace.parentSpanId, traceFlags: own.traceFlags },
      }),
      startTime: epochTime(startedAtMs),
      endTime: epochTime(endedAtMs),
      duration: asHrTime(endedAtMs - startedAtMs),
      status: { code: failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
      attributes: failed ? { ...attributes, 'error.type': error } : attributes,
      links: links ? links.map((link): Link => ({ context: spanContextOf(link) })) : none,
      events: none,
      ended: true,
      resource,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    })
  }
}

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
export function epochTime(atMs: number): HrTime {
  const drift = Date.now() - performance.now() - offsetMs
  if (drift > maxDriftMs || drift < -maxDriftMs) offsetMs += drift
  return asHrTime(offsetMs + atMs)
}

function asHrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}
