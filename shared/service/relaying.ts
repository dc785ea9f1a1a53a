import type { Kysely, Transaction } from 'kysely'
import type { Registry as MetricsRegistry } from 'prom-client'
import type { Events } from '../events/events.ts'
import type { EventLogger } from '../events/observer.ts'
import type { Outbox } from '../events/outbox.ts'
import type { Shards } from '../events/tags.ts'
import type { StreamTransport } from '../events/transport.ts'
import { outboxMetrics } from '../observability/outbox-metrics.ts'
import { postgresOutbox } from '../postgres/outbox/add.ts'
import type { Redriven } from '../postgres/outbox/redrive.ts'
import { createRelay } from '../postgres/outbox/relay.ts'
import { type OutboxStatus, outboxStatus } from '../postgres/outbox/status.ts'
import { createNotifier, listenForWake } from '../postgres/outbox/wake.ts'

const stopWithinMs = 5_000

/** The outbox of a service, for health checks and commands. */
export interface ServiceOutbox {
  readonly status: () => Promise<OutboxStatus>
  /**
   * Sends again what the event server has lost of what was sent since a time.
   *
   * @param checked is told now and then how many were looked at.
   * @throws {EventError} `EVENT_NOT_SENT`: begin again.
   */
  readonly redrive: (since: Date, checked?: (count: number) => void) => Promise<Redriven>
}

export interface RelayingOptions<Schema> {
  readonly db: Kysely<Schema>
  /** Where the relay hears of what other processes add; without it the relay looks every second. */
  readonly databaseUrl?: string | undefined
  readonly shards: Shards
  readonly archiveDays: number
  /** Longer than an append may take. */
  readonly idleTimeoutMs: number
  readonly logger: EventLogger
  readonly metrics?: MetricsRegistry | undefined
}

/** An outbox that wakes whoever sends: the relay of this process, or, where it has none, those of others. */
export class Relaying<Schema> {
  readonly outbox: Outbox<Transaction<Schema>>
  readonly status: () => Promise<OutboxStatus>
  readonly #options: RelayingOptions<Schema>
  readonly #observer: ReturnType<typeof outboxMetrics>
  #wake: () => void

  constructor(options: RelayingOptions<Schema>) {
    const { db, metrics } = options
    this.#options = options
    this.#wake = createNotifier(db).notify
    this.outbox = postgresOutbox({ onAdded: () => this.#wake() })
    this.status = () => outboxStatus(db)
    this.#observer = metrics ? outboxMetrics({ registry: metrics, status: this.status }) : {}
  }

  /** Sends until the returned function is called. */
  start(events: Pick<Events, 'forward' | 'safe'>, streams: StreamTransport): () => Promise<void> {
    const { db, databaseUrl, shards, archiveDays: keepDays, idleTimeoutMs, logger } = this.#options
    const observer = this.#observer
    const relay = createRelay({ db, events, streams, shards, keepDays, idleTimeoutMs, logger, observer })
    this.#wake = () => relay.poke()
    const stopListening = databaseUrl ? listenForWake(this.#wake, { url: databaseUrl, logger }) : undefined
    relay.start()
    return async () => {
      await stopListening?.()
      if (!(await relay.stop(stopWithinMs))) throw new Error('events of the outbox are still being sent')
    }
  }
}
