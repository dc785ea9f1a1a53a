import type { Kysely } from 'kysely'
import type { Events } from '../../events/events.ts'
import type { EventLogger } from '../../events/observer.ts'
import { type Backoff, backoffMs } from '../../events/retry.ts'
import type { Shards } from '../../events/tags.ts'
import type { StreamTransport } from '../../events/transport.ts'
import { repeat } from '../../repeat.ts'
import { sharedTables } from '../tables.ts'
import { Alarm } from './alarm.ts'
import { Floor } from './floor.ts'
import { FullDomains } from './full-domains.ts'
import { InFlight } from './in-flight.ts'
import type { OutboxObserver } from './observer.ts'
import { retryParked } from './parked.ts'
import { isPartitionMissing, keepArchive } from './partitions.ts'
import { archiveRows, type Db, waitingBuckets } from './rows.ts'
import { type TurnOptions, type TurnResult, takeTurn } from './turn.ts'

const hourMs = 3_600_000
/** Above it nothing is claimed: subscriptions in memory are far behind. */
const maxInFlight = 10_000

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
  /** A relay that freezes for so long loses its buckets to another; longer than an append may take. Default 10,000. */
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

type Outcome = 'sent' | 'idle' | 'failed'

class OutboxRelay<Schema> implements Relay {
  readonly #db: Db
  readonly #turn: TurnOptions
  readonly #floor: Floor
  readonly #inFlight: InFlight
  readonly #full: FullDomains
  readonly #alarms: readonly Alarm[]
  readonly #options: Required<Pick<RelayOptions<Schema>, 'keepDays' | 'backoff' | 'random'>>
  readonly #running: Promise<unknown>[] = []
  readonly #ends: (() => Promise<unknown>)[] = []
  #stopping = false
  #hasPartitions = false
  #failing = false

  constructor({
    db,
    events,
    logger,
    observer = {},
    shards = {},
    keepDays = 7,
    concurrency = 2,
    maxRows = 1000,
    maxBytes = 4 * 1024 * 1024,
    pollEveryMs = 1000,
    idleTimeoutMs = 10_000,
    backoff = { baseMs: 100, maxMs: 5000 },
    now = Date.now,
    random = Math.random,
  }: RelayOptions<Schema>) {
    this.#db = sharedTables(db).withoutPlugins()
    this.#options = { keepDays, backoff, random }
    this.#floor = new Floor(this.#db)
    this.#full = new FullDomains(backoff, now, random)
    // The first one looks; the others help for as long as there is something to send.
    this.#alarms = Array.from({ length: concurrency }, (_, at) => new Alarm(at === 0 ? pollEveryMs : hourMs))
    this.#inFlight = new InFlight(events.safe, () => this.poke())
    this.#turn = {
      db: this.#db,
      events,
      shards,
      inFlight: this.#inFlight,
      logger,
      observer,
      maxRows,
      maxBytes,
      idleTimeoutMs,
      now,
    }
  }

  start(): void {
    const every = (everyMs: number, what: string, act: () => Promise<unknown>) => {
      const failed = (err: unknown) => this.#turn.logger.warn({ err }, `the outbox: ${what} failed`)
      this.#ends.push(repeat(act, { everyMs, failed }))
    }
    every(hourMs, 'keeping the archive', () => this.#keepArchive())
    every(60_000, 'trying parked rows again', () => this.#retryParked())
    // A floor that stays where it is costs time, nothing else: the turns tell of a database that is away.
    this.#ends.push(repeat(() => this.#floor.raise(), { everyMs: 1000, failed: () => {} }))
    for (const alarm of this.#alarms) this.#running.push(this.#run(alarm))
  }

  poke(): void {
    this.#alarms[0]?.poke()
  }

  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping = true
    for (const alarm of this.#alarms) alarm.ring()
    const ended = Promise.all([...this.#running, ...this.#ends.map((end) => end())]).then(() => true)
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), deadlineMs)
    })
    try {
      return await Promise.race([ended, late])
    } finally {
      clearTimeout(timer)
    }
  }

  async #run(alarm: Alarm): Promise<void> {
    const isFirst = alarm === this.#alarms[0]
    let failures = 0
    while (!this.#stopping) {
      const outcome = await this.#attempt()
      failures = outcome === 'failed' ? failures + 1 : 0
      if (this.#stopping) break
      if (outcome === 'sent') {
        if (isFirst) for (const other of this.#alarms.slice(1)) other.ring()
      } else if (outcome === 'idle' || !isFirst) await alarm.wait()
      else await alarm.rest(backoffMs(failures, this.#options.backoff, this.#options.random))
    }
  }

  async #attempt(): Promise<Outcome> {
    try {
      if (!this.#hasPartitions) await this.#keepArchive()
      const result = await this.#look()
      if (result && result.refused > 0 && result.sent === 0) {
        this.#failed(result.cause, 'the event server does not take what is in the outbox')
        return 'failed'
      }
      if (result !== undefined && result.sent > 0) this.#recovered()
      return result !== undefined && result.sent > 0 ? 'sent' : 'idle'
    } catch (error) {
      if (isPartitionMissing(error)) this.#hasPartitions = false
      this.#failed(error, 'the outbox cannot be worked on')
      return 'failed'
    }
  }

  async #look(): Promise<TurnResult | undefined> {
    const { done } = this.#inFlight
    if (done.length > 0) {
      await archiveRows(this.#db, done)
      this.#inFlight.archived(done)
      this.#turn.observer.archived?.(done.length)
    }
    if (this.#inFlight.size >= maxInFlight) return undefined
    const floor = this.#floor.id
    const waiting = await waitingBuckets(this.#db, floor)
    if (waiting.length === 0) return undefined
    const share = Math.ceil(waiting.length / this.#alarms.length)
    const except = { floor, ids: this.#inFlight.ids, domains: this.#full.now }
    const result = await takeTurn(this.#shuffle(waiting), share, except, this.#turn)
    this.#full.note(result.fullDomains)
    return result
  }

  /** All relays begin with another bucket, so that none is always served last. */
  #shuffle(buckets: readonly number[]): readonly number[] {
    const { random } = this.#options
    return buckets
      .map((bucket) => ({ bucket, order: random() }))
      .sort((one, other) => one.order - other.order)
      .map(({ bucket }) => bucket)
  }

  async #keepArchive(): Promise<void> {
    const { postponed } = await keepArchive(this.#db, { keepDays: this.#options.keepDays })
    this.#hasPartitions = true
    if (postponed.length > 0)
      this.#turn.logger.info({ partitions: postponed }, 'old parts of the outbox archive are still in use')
  }

  async #retryParked(): Promise<void> {
    const count = await retryParked(this.#db)
    if (count > 0) this.#turn.logger.info({ count }, 'parked outbox rows can be decoded now')
    if (count > 0) this.poke()
  }

  #failed(err: unknown, message: string): void {
    if (!this.#failing) this.#turn.logger.warn({ err }, message)
    this.#failing = true
  }

  #recovered(): void {
    if (this.#failing) this.#turn.logger.info({}, 'the outbox is sent again')
    this.#failing = false
  }
}
