import type { Backoff } from '../../events/retry.ts'
import { Floor } from './floor.ts'
import { FullDomains } from './full-domains.ts'
import { InFlight } from './in-flight.ts'
import { isPartitionMissing, keepArchive } from './partitions.ts'
import { archiveRows, waitingBuckets } from './rows.ts'
import { type TurnOptions, type TurnResult, takeTurn } from './turn.ts'

/** Above it nothing is claimed: subscriptions in memory are far behind. */
const maxInFlight = 10_000

export interface SenderOptions extends Omit<TurnOptions, 'events' | 'inFlight'> {
  readonly events: TurnOptions['events'] & ConstructorParameters<typeof InFlight>[0]
  readonly keepDays: number
  /** Turns that may run at the same time. */
  readonly concurrency: number
  readonly backoff: Backoff
  readonly random: () => number
  /** Rows of an earlier turn may be archived now. */
  readonly onSafe: () => void
}

/** `failed`: the event server or the database is away; wait before the next attempt. */
export type Attempt = 'sent' | 'idle' | 'failed'

/** What the turns of one relay have in common. */
export class Sender {
  readonly #options: SenderOptions
  readonly #floor: Floor
  readonly #inFlight: InFlight
  readonly #full: FullDomains
  #hasPartitions = false
  #failing = false

  constructor(options: SenderOptions) {
    const { db, events, backoff, now, random, onSafe } = options
    this.#options = options
    this.#floor = new Floor(db)
    this.#inFlight = new InFlight(events, onSafe)
    this.#full = new FullDomains(backoff, now, random)
  }

  /** Takes one turn if anything waits; never rejects, and logs when it begins and ceases to fail. */
  async attempt(): Promise<Attempt> {
    try {
      if (!this.#hasPartitions) await this.keepArchive()
      await this.#archiveDone()
      const result = await this.#look()
      if (result?.sent === 0 && result.refused > 0)
        return this.#fail(result.cause, 'the event server does not take what is in the outbox')
      if (result?.sent === 0) return 'idle'
      if (this.#failing) this.#options.logger.info({}, 'the outbox is worked on again')
      this.#failing = false
      return result ? 'sent' : 'idle'
    } catch (error) {
      if (isPartitionMissing(error)) this.#hasPartitions = false
      return this.#fail(error, 'the outbox cannot be worked on')
    }
  }

  async keepArchive(): Promise<void> {
    const { db, keepDays, logger } = this.#options
    const { postponed } = await keepArchive(db, { keepDays })
    this.#hasPartitions = true
    if (postponed.length > 0)
      logger.info({ partitions: postponed }, 'old parts of the outbox archive are still in use')
  }

  raiseFloor(): Promise<void> {
    return this.#floor.raise()
  }

  async #look(): Promise<TurnResult | undefined> {
    const { db, concurrency } = this.#options
    if (this.#inFlight.size >= maxInFlight) return undefined
    const floor = this.#floor.id
    const waiting = await waitingBuckets(db, floor)
    if (waiting.length === 0) return undefined
    const share = Math.ceil(waiting.length / concurrency)
    const except = { floor, domains: this.#full.now }
    const turn = { ...this.#options, inFlight: this.#inFlight }
    const result = await takeTurn(this.#shuffle(waiting), share, except, turn)
    this.#full.note(result.fullDomains)
    return result
  }

  async #archiveDone(): Promise<void> {
    const { done } = this.#inFlight
    if (done.length === 0) return
    await archiveRows(this.#options.db, done)
    this.#inFlight.archived(done)
    this.#options.observer.archived?.(done.length)
  }

  /** Every turn begins with another bucket, so that none is always served last. */
  #shuffle(buckets: readonly number[]): readonly number[] {
    const { random } = this.#options
    return buckets
      .map((bucket) => ({ bucket, order: random() }))
      .sort((one, other) => one.order - other.order)
      .map(({ bucket }) => bucket)
  }

  #fail(err: unknown, message: string): Attempt {
    if (!this.#failing) this.#options.logger.warn({ err }, message)
    this.#failing = true
    return 'failed'
  }
}
