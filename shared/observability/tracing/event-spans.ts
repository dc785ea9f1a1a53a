import { type Attributes, SpanKind } from '@opentelemetry/api'
import { runAs, runAt } from '../../context.ts'
import type { Envelope } from '../../events/envelope.ts'
import type { TraceContext } from '../../trace-context.ts'
import { type EventSpans, producersOf } from '../event-context.ts'
import { type EndWork, errorType, type RecordSpan } from './recorder.ts'

/** OpenTelemetry's own limit. */
const maxLinks = 128

/**
 * A producer span around publishing, a consumer span around each call of a handler. One event's handler is a child of
 * whoever published it; a batch is linked to all who did.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 */
export function eventSpans(record: RecordSpan, end: EndWork): EventSpans {
  return {
    async publishing(own, events, run) {
      const startedAtMs = performance.now()
      let error: string | undefined
      try {
        return await runAt(own, run)
      } catch (failure) {
        error = errorType(failure)
        throw failure
      } finally {
        record({
          name: `publish ${nameOf(events)}`,
          kind: SpanKind.PRODUCER,
          trace: own,
          startedAtMs,
          endedAtMs: performance.now(),
          attributes: attributesOf('publish', 'send', events),
          error,
        })
      }
    },
    async handling(work, subscription, events, run) {
      const { startedAtMs = performance.now() } = work
      const trace = work.trace as TraceContext
      let error: string | undefined
      try {
        await runAs(work, run)
      } catch (failure) {
        error = errorType(failure)
        throw failure
      } finally {
        end(work, {
          name: `process ${nameOf(events)}`,
          kind: SpanKind.CONSUMER,
          trace,
          startedAtMs,
          endedAtMs: performance.now(),
          attributes: {
            ...attributesOf('process', 'process', events),
            'messaging.consumer.group.name': subscription,
          },
          error,
          ...(events.length > 1 && { links: producersOf(events).slice(0, maxLinks) }),
        })
      }
    },
  }
}

/**
 * A span for each sampled event that a relay has sent, in the event's own trace, below whoever published it.
 *
 * Returns what `run` returns; rejects as it does.
 */
export function relaySpans(record: RecordSpan) {
  return async <T>(events: readonly Envelope[], run: () => Promise<T>): Promise<T> => {
    const startedAtMs = performance.now()
    let error: string | undefined
    try {
      return await run()
    } catch (failure) {
      error = errorType(failure)
      throw failure
    } finally {
      const endedAtMs = performance.now()
      for (const event of events) {
        const [producer] = producersOf([event])
        if (!producer?.sampled) continue
        record({
          name: `relay ${event.type}`,
          kind: SpanKind.PRODUCER,
          trace: producer.child(),
          startedAtMs,
          endedAtMs,
          attributes: attributesOf('relay', 'send', [event]),
          error,
        })
      }
    }
  }
}

function attributesOf(name: string, type: string, events: readonly Envelope[]): Attributes {
  const [first] = events
  const isOne = events.length === 1
  return {
    'messaging.system': 'redis',
    'messaging.operation.name': name,
    'messaging.operation.type': type,
    'messaging.destination.name': first?.type.split('.', 1)[0] ?? '',
    'cloudevents.event_type': nameOf(events),
    ...(isOne && first && { 'messaging.message.id': first.id, 'cloudevents.event_source': first.source }),
    ...(!isOne && { 'messaging.batch.message_count': events.length }),
  }
}

/** The type of the events; `several` where they differ. */
function nameOf(events: readonly Envelope[]): string {
  const type = events[0]?.type ?? ''
  return events.every((event) => event.type === type) ? type : 'several'
}
