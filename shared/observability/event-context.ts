import { currentWork, runAs, type WorkContext } from '../context.ts'
import type { Envelope } from '../events/envelope.ts'
import type { EventObserver } from '../events/observer.ts'
import {
  boundedBaggage,
  enterTrace,
  type Sampler,
  type TraceContext,
  traceContextOf,
} from '../trace-context.ts'

/** Where spans of events attach. */
export interface EventSpans {
  /** Wraps publishing; `own` is what the events carry. */
  readonly publishing: <T>(
    own: TraceContext,
    events: readonly Envelope[],
    run: () => Promise<T>,
  ) => Promise<T>
  /** Wraps a handler, within `work`. */
  readonly handling: (
    work: WorkContext,
    subscription: string,
    events: readonly Envelope[],
    run: () => Promise<void>,
  ) => Promise<void>
}

/**
 * Carries correlation id, trace and baggage from whatever causes an event into it, and from an event into its handler.
 *
 * An event that arrives without a correlation id begins one, its own id. A batch of events that differ has none, and
 * begins a trace of its own.
 *
 * @param sampler which traces are recorded; without one they are handed on as they came.
 */
export function eventContext({
  sampler,
  spans,
}: {
  sampler?: Sampler | undefined
  spans?: EventSpans | undefined
} = {}): Pick<EventObserver, 'context' | 'publishing' | 'handling'> {
  // An event is made, and sent, in one go: what it was given last is what is being sent.
  let given: { readonly own: TraceContext; readonly traceparent: string } | undefined

  return {
    context() {
      const work = currentWork()
      const trace = work?.trace
      const own = ownPlace(trace, spans && sampler)
      const { traceparent, tracestate } = own
      given = { own, traceparent }
      return {
        correlationId: work?.correlationId,
        causationId: work?.event?.id,
        traceparent,
        tracestate,
        baggage: work?.baggage?.(),
      }
    },
    ...(spans && {
      publishing(events, run) {
        const is = given
        given = undefined
        const ours = is?.own.sampled === true && events[0]?.traceparent === is.traceparent
        return ours ? spans.publishing(is.own, events, run) : run()
      },
    }),
    handling(subscription, events, run) {
      const work = workOf(subscription, events, sampler)
      if (spans && work.trace?.sampled) return spans.handling(work, subscription, events, run)
      return runAs(work, run)
    },
  }
}

/** What is recorded has a span of its own between the work and the event; all else hands on where the work stands. */
function ownPlace(trace: TraceContext | undefined, sampler: Sampler | undefined): TraceContext {
  if (trace === undefined) return enterTrace(undefined, sampler)
  return sampler && trace.sampled ? trace.child() : trace
}

function workOf(
  subscription: string,
  events: readonly Envelope[],
  sampler: Sampler | undefined,
): WorkContext {
  const [first] = events
  if (first === undefined) return { correlationId: undefined, trace: undefined }
  const correlationId = correlationOf(first)
  const isAlone = events.every((event) => correlationOf(event) === correlationId)
  const trace = traceOf(events, sampler)
  return {
    correlationId: isAlone ? correlationId : undefined,
    trace,
    baggage: () => (isAlone ? boundedBaggage(first.baggage) : undefined),
    startedAtMs: performance.now(),
    event: { id: first.id, type: first.type, subscription },
  }
}

function traceOf(events: readonly Envelope[], sampler: Sampler | undefined): TraceContext {
  const parents = producersOf(events)
  const [first] = parents
  const isOne = parents.length === events.length && parents.every(({ traceId }) => traceId === first?.traceId)
  if (isOne) return enterTrace(first, sampler)
  const anySampled = parents.length === 0 ? undefined : parents.some(({ sampled }) => sampled)
  return enterTrace(undefined, sampler && ((traceId) => sampler(traceId, anySampled)))
}

/** The places in their traces that events came from, of those that say. */
export function producersOf(events: readonly Envelope[]): TraceContext[] {
  return events.flatMap(({ traceparent, tracestate }) => traceContextOf(traceparent, tracestate) ?? [])
}

function correlationOf({ correlationid, id }: Envelope): string {
  return correlationid ?? id
}
