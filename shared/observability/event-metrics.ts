import { Counter, Gauge, type Registry } from 'prom-client'
import type { EventObserver } from '../events/observer.ts'
import { DurationHistogram } from './duration-histogram.ts'

export interface EventMetricsOptions {
  readonly registry: Registry
  /** Every event the service knows; other types, which anybody may write, are counted as `_other`. */
  readonly types: readonly string[]
}

/** Seconds, from a millisecond to an hour: an event may have waited for a consumer that was away. */
const latencyBounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 900, 3600]

/** Counts by label values, kept out of prom-client until a scrape: publishing is a hot path. */
class Tally {
  readonly #counts = new Map<string, { readonly values: readonly string[]; count: number }>()

  add(count: number, ...values: readonly string[]): void {
    const key = values.join('\0')
    const known = this.#counts.get(key)
    if (known) known.count += count
    else this.#counts.set(key, { values, count })
  }

  into(counter: Counter): void {
    counter.reset()
    for (const { values, count } of this.#counts.values()) counter.labels(...values).inc(count)
  }
}

/**
 * What becomes of events, by type and subscription.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
 */
export function eventMetrics({ registry, types }: EventMetricsOptions): EventObserver {
  const registers = [registry]
  const known = new Set(types)
  const label = (type: string) => (known.has(type) ? type : '_other')
  const counter = (name: string, help: string, ...labelNames: string[]) => {
    const tally = new Tally()
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        tally.into(this)
      },
    })
    return tally
  }
  const where = ['event_type', 'subscription'] as const
  const sent = counter(
    'messaging_client_sent_messages_total',
    'Events published, by type; error_type is empty where the event server accepted them',
    'event_type',
    'error_type',
  )
  const sending = new DurationHistogram({
    name: 'messaging_client_operation_duration_seconds',
    help: 'Duration of publishing until the event server has accepted, by event type',
    labelNames: ['messaging_operation_name', 'event_type'],
    registers,
  })
  const processing = new DurationHistogram({
    name: 'messaging_process_duration_seconds',
    help: 'Duration of handlers, by event type, subscription and outcome',
    labelNames: [...where, 'outcome'],
    registers,
  })
  const consumed = counter(
    'messaging_client_consumed_messages_total',
    'Events read, by type, subscription and whether they were replayed',
    ...where,
    'replay',
  )
  const latency = new DurationHistogram({
    name: 'event_end_to_end_latency_seconds',
    help: 'From the place in the stream to a handler that succeeded, by event type and subscription',
    labelNames: [...where],
    buckets: latencyBounds,
    registers,
  })
  const retries = counter('event_retries_total', 'Failed handlers whose event is tried again', ...where)
  const dead = counter('event_dead_letters_total', 'Events put among the dead letters', ...where)
  const parked = counter('event_parked_total', 'Events of a version newer than this program', ...where)
  const duplicates = counter(
    'event_duplicates_total',
    'Events handled before, or taken over by another process',
    ...where,
  )
  const repeated = counter(
    'event_publish_duplicates_total',
    'Events published again with their id, and not added again',
    'event_type',
  )
  const dropped = counter('event_broadcasts_dropped_total', 'Broadcasts over their rate', 'event_type')
  const lost = counter('event_entries_lost_total', 'Entries trimmed before they were handled', 'stream')
  const waiting = new Gauge({
    name: 'event_subscription_waits_for_dependency',
    help: '1 while a subscription waits for something its handler depends on',
    labelNames: ['subscription'],
    registers,
  })

  return {
    published(type, count, durationMs) {
      sent.add(count, label(type), '')
      sending.record(durationMs / 1000, ['publish', label(type)])
    },
    publishFailed: (type, count, code) => sent.add(count, label(type), code),
    duplicated: (type, count) => repeated.add(count, label(type)),
    dropped: (type) => dropped.add(1, label(type)),
    consumed({ type, subscription, outcome, durationMs, latencyMs, replay }) {
      const event = label(type)
      if (outcome === 'skipped') return
      consumed.add(1, event, subscription, String(replay))
      processing.record(durationMs / 1000, [event, subscription, outcome])
      if (outcome === 'done' && !replay) latency.record(latencyMs / 1000, [event, subscription])
      if (outcome === 'retried') retries.add(1, event, subscription)
      if (outcome === 'dead') dead.add(1, event, subscription)
      if (outcome === 'parked') parked.add(1, event, subscription)
      if (outcome === 'duplicate' || outcome === 'lost') duplicates.add(1, event, subscription)
    },
    entriesLost: ({ tag, count }) => lost.add(count, tag),
    paused: (subscription, isPaused) => waiting.set({ subscription }, isPaused ? 1 : 0),
  }
}
