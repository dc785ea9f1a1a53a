import { currentWork, runAs, traceContextOf, type WorkContext } from '../context.ts'
import type { Envelope } from '../events/envelope.ts'
import type { EventObserver } from '../events/observer.ts'

/**
 * Carries correlation id and trace context from whatever causes an event into it, and from an event into its handler.
 *
 * An event that arrives without a correlation id begins one, its own id. A batch of events that differ has none.
 */
export function eventContext(): Pick<EventObserver, 'context' | 'handling'> {
  return {
    context() {
      const work = currentWork()
      if (work === undefined) return {}
      return { correlationId: work.correlationId, causationId: work.event?.id, ...work.trace() }
    },
    handling: (subscription, events, run) => runAs(contextOf(subscription, events), run),
  }
}

function contextOf(subscription: string, events: readonly Envelope[]): WorkContext {
  const [first] = events
  if (first === undefined) return { correlationId: undefined, trace: () => undefined }
  const correlationId = correlationOf(first)
  const alone = events.every((event) => correlationOf(event) === correlationId)
  return {
    correlationId: alone ? correlationId : undefined,
    trace: () => (alone ? traceContextOf(first.traceparent, first.tracestate) : undefined),
    event: { id: first.id, type: first.type, subscription },
  }
}

function correlationOf({ correlationid, id }: Envelope): string {
  return correlationid ?? id
}
