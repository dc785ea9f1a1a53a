import type { Kysely } from 'kysely'
import { withinTime } from '../../deadline.ts'
import type { Events } from '../../events/events.ts'
import type { EventLogger } from '../../events/observer.ts'
import { type Backoff, backoffMs } from '../../events/retry.ts'
import type { Shards } from '../../events/tags.ts'
import type { StreamTransport } from '../../events/transport.ts'
import { repeat } from '../../repeat.ts'
import { sharedTables } from '../tables.ts'
import { Alarm } from './alarm.ts'
import { Doubts } from './doubts.ts'
import type { OutboxObserver } from './observer.ts'
import { retryParked } from './parked.ts'
import { lastSentMs, redriveOutbox } from './redrive.ts'
import type { Db } from './rows.ts'
import { Sender } from './sender.ts'

const hourMs = 3_600_000

export interface RelayOptions<Schema> {
  /** The database with the outbox; borrowed. */
  readonly db: Kysely<Schema>
  readonly events: Pick<Events, 'forward' | 'safe'>
  readonly streams: Pick<StreamTransport, 'missing' | 'watch'>
  readonly logger: EventLogger
  readonly observer?: OutboxObserver
  /** As given to `createEvents`. */
  readonly shards?: Shards
  /** Days that the archive keeps. Default 7. */
  readonly keepDays?: number
  /** Turns at the same time: one sends while the other asks the database. Default 2. */
  readonly concurrency?: number
  /** Rows of one turn, about. Default 1,000. */
  readonly maxRows?: number
  /** Bytes of one turn, more by one row at most. Default 4 MiB. */
  readonly maxBytes?: number
  /** How long the outbox goes unlooked at when nobody pokes. Default 1,000. */
  readonly pollEveryMs?: number
  /** A relay that freezes for so long loses its buckets to another; more than twice what an append may take. Default 15,000. */
  readonly idleTimeoutMs?: number
  /** Between attempts while the event server takes nothing, or the database is away. */
  readonly backoff?: Backoff
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly random?: () => number
}

/** Sends what is in the outbox. Any number of processes may run one at the same time. */
export interface Relay {
  start(): void
  /** Something was or will soon be added: look a few times within the next 50 ms. Cheap. */
  poke(): void
  /**
   * Ends the turns that run; what was not sent stays in the outbox.
   *
   * @returns false when a turn was still running after `deadlineMs`.
   */
  stop(deadlineMs: number): Promise<boolean>
}

/** Nothing happens before `start`. */
export function createRelay<Schema>(options: RelayOptions<Schema>): Relay {
  return new OutboxRelay(options)
}

class OutboxRelay<Schema> implements Relay {
  readonly #db: Db
  readonly #sender: Sender
  readonly #doubts: Doubts
  readonly #watch: StreamTransport['watch']
  readonly #logger: EventLogger
  readonly #alarms: readonly Alarm[]
  readonly #restMs: (failures: number) => number
  readonly #running: Promise<unknown>[] = []
  readonly #ends: (() => Promise<unknown>)[] = []
  #stopping = false

  constructor({
    db,
    events,
    streams,
    logger,
    observer = {},
    shards = {},
    keepDays = 7,
    concurrency = 2,
    maxRows = 1000,
    maxBytes = 4 * 1024 * 1024,
    pollEveryMs = 1000,
    idleTimeoutMs = 15_000,
    backoff = { baseMs: 100, maxMs: 5000 },
    now = Date.now,
    random = Math.random,
  }: RelayOptions<Schema>) {
    this.#db = sharedTables(db).withoutPlugins()
    this.#logger = logger
    this.#watch = (doubt) => streams.watch(doubt)
    this.#restMs = (failures) => backoffMs(failures, backoff, random)
    // The first one looks; the others help for as long as there is something to send.
    this.#alarms = Array.from({ length: concurrency }, (_, at) => new Alarm(at === 0 ? pollEveryMs : hourMs))
    this.#sender = new Sender({
      db: this.#db,
      events,
      shards,
      logger,
      observer,
      keepDays,
      concurrency,
      maxRows,
      maxBytes,
      idleTimeoutMs,
      backoff,
      now,
      random,
      onSafe: () => this.poke(),
    })
    this.#doubts = new Doubts({
      redrive: (since, stopped) => redriveOutbox(this.#db, { events, streams, shards, since, stopped }),
      lastSentMs: () => lastSentMs(this.#db),
      logger,
      observer,
      backoff,
      random,
    })
  }

  start(): void {
    const every = (everyMs: number, what: string, act: () => Promise<unknown>) => {
      const failed = (err: unknown) => this.#logger.warn({ err }, `the outbox: ${what} failed`)
      this.#ends.push(repeat(act, { everyMs, failed }))
    }
    every(hourMs, 'keeping the archive', () => this.#sender.keepArchive())
    every(60_000, 'trying parked rows again', () => this.#retryParked())
    // A floor that stays where it is costs time, nothing else: the turns tell of a database that is away.
    this.#ends.push(repeat(() => this.#sender.raiseFloor(), { everyMs: 1000, failed: () => {} }))
    const unwatch = this.#watch((wellAtMs) => this.#doubts.raise(wellAtMs))
    this.#ends.push(
      async () => unwatch(),
      () => this.#doubts.stop(),
    )
    this.#doubts.raise('unknown')
    for (const alarm of this.#alarms) this.#running.push(this.#run(alarm))
  }

  poke(): void {
    this.#alarms[0]?.poke()
  }

  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping = true
    for (const alarm of this.#alarms) alarm.ring()
    const ended = Promise.all([...this.#running, ...this.#ends.map((end) => end())]).then(() => true)
    return await withinTime(ended, deadlineMs, false)
  }

  async #run(alarm: Alarm): Promise<void> {
    const [first, ...helpers] = this.#alarms
    let failures = 0
    while (!this.#stopping) {
      const outcome = await this.#sender.attempt()
      failures = outcome === 'failed' ? failures + 1 : 0
      if (this.#stopping) break
      if (outcome === 'sent') {
        if (alarm === first) for (const helper of helpers) helper.ring()
      } else if (outcome === 'idle' || alarm !== first) await alarm.wait()
      else await alarm.rest(this.#restMs(failures))
    }
  }

  async #retryParked(): Promise<void> {
    const count = await retryParked(this.#db)
    if (count === 0) return
    this.#logger.info({ count }, 'parked outbox rows can be decoded now')
    this.poke()
  }
}
