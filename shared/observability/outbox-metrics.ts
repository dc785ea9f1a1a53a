import { Counter, Gauge, type Registry } from 'prom-client'
import type { OutboxObserver } from '../postgres/outbox/observer.ts'
import type { OutboxStatus } from '../postgres/outbox/status.ts'
import { askedAtScrape } from './asked-at-scrape.ts'

export interface OutboxMetricsOptions {
  readonly registry: Registry
  /** Asked once a scrape: `outboxStatus` of the service's database. */
  readonly status: () => Promise<OutboxStatus>
  /** Longest wait for the database at a scrape; without an answer there are no values. Default 2,000. */
  readonly timeoutMs?: number
}

const gauges: Readonly<Record<string, readonly [help: string, of: (status: OutboxStatus) => number]>> = {
  event_outbox_depth: ['Rows that wait to be sent', ({ depth }) => depth],
  event_outbox_parked: ['Rows that cannot be decoded, whose keys wait', ({ parked }) => parked],
  event_outbox_oldest_age_seconds: [
    'Age of the oldest row that waits to be sent',
    ({ oldestAgeMs }) => oldestAgeMs / 1000,
  ],
}

/**
 * How the outbox stands, asked for at each scrape, and what this process's relay does.
 *
 * Every replica tells the same of the outbox itself: take the maximum over them, not the sum.
 */
export function outboxMetrics({ registry, status, timeoutMs = 2000 }: OutboxMetricsOptions): OutboxObserver {
  const registers = [registry]
  const current = askedAtScrape(status, { timeoutMs, otherwise: undefined })
  for (const [name, [help, read]] of Object.entries(gauges)) {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        const at = await current()
        if (at) this.set(read(at))
        else this.remove()
      },
    })
  }
  const counter = (name: string, help: string) => {
    const made = new Counter({ name, help, registers })
    return (count: number) => made.inc(count)
  }
  return {
    sent: counter('event_outbox_sent_total', 'Outbox rows that the event server has taken'),
    archived: counter('event_outbox_archived_total', 'Outbox rows that were moved to the archive'),
    parked: counter('event_outbox_undecodable_total', 'Outbox rows that could not be decoded'),
    redriven: counter(
      'event_outbox_redriven_total',
      'Events sent again because the event server had lost them',
    ),
  }
}
