import { Gauge, type Registry } from 'prom-client'
import type { SubscriptionStore } from '../events/store.ts'
import type { GroupHealth, StreamTransport } from '../events/transport.ts'
import { askedAtScrape } from './asked-at-scrape.ts'

export interface SubscriptionMetricsOptions {
  readonly registry: Registry
  readonly service: string
  readonly streams: StreamTransport
  readonly store: SubscriptionStore
  /** Longest wait for the event server at a scrape; without an answer there are no values. Default 2,000. */
  readonly timeoutMs?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

interface Standing extends GroupHealth {
  readonly stream: string
  readonly subscription: string
}

const gauges: Readonly<Record<string, readonly [help: string, of: (at: Standing, now: number) => number]>> = {
  event_subscription_lag: ['Events not delivered yet', ({ lag }) => lag],
  event_subscription_pending: ['Events delivered and not acknowledged', ({ pending }) => pending],
  event_subscription_due: ['Failed events that wait to be tried again', ({ due }) => due],
  event_subscription_parked: ['Events of a version nobody knows yet', ({ parked }) => parked],
  event_subscription_dead_letters: ['Events among the dead letters', ({ dead }) => dead],
  event_subscription_oldest_age_seconds: [
    'Age of the oldest event not acknowledged, by its entry id',
    ({ oldestMs }, now) => (oldestMs === undefined ? 0 : Math.max(0, now - oldestMs) / 1000),
  ],
}

/**
 * Where every registered subscription of the service stands, asked for at each scrape, by stream and subscription.
 *
 * Every replica tells the same: take the maximum over them, not the sum.
 */
export function subscriptionMetrics({
  registry,
  service,
  streams,
  store,
  timeoutMs = 2000,
  now = Date.now,
}: SubscriptionMetricsOptions): void {
  const standings = askedAtScrape(() => look(service, streams, store), { timeoutMs, otherwise: [] })
  for (const [name, [help, read]] of Object.entries(gauges)) {
    new Gauge({
      name,
      help,
      labelNames: ['stream', 'subscription'],
      registers: [registry],
      async collect() {
        this.reset()
        for (const at of await standings())
          this.set({ stream: at.stream, subscription: at.subscription }, read(at, now()))
      },
    })
  }
}

async function look(
  service: string,
  streams: StreamTransport,
  store: SubscriptionStore,
): Promise<readonly Standing[]> {
  const records = (await store.list()).filter(({ owner }) => owner === service)
  return Promise.all(
    records.flatMap(({ name, group, tags }) =>
      tags.map(async (tag) => ({
        ...(await streams.operate(tag, group).health()),
        stream: tag,
        subscription: name,
      })),
    ),
  )
}
