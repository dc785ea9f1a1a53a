import { setImmediate } from 'node:timers/promises'
import type { Envelope } from '../../events/envelope.ts'
import type { Events } from '../../events/events.ts'
import type { SentRow } from './rows.ts'

/**
 * Rows that were sent and that the end of this process could still lose, as events in memory: they stay in the outbox, are
 * not sent again by this process, and may be archived once every subscription has finished them.
 */
export class InFlight {
  readonly #events: Pick<Events, 'safe'>
  readonly #onSafe: () => void
  readonly #waiting = new Set<number>()
  readonly #done = new Map<number, SentRow>()

  constructor(events: Pick<Events, 'safe'>, onSafe: () => void) {
    this.#events = events
    this.#onSafe = onSafe
  }

  get size(): number {
    return this.#waiting.size + this.#done.size
  }

  /** All that must not be sent again. */
  get ids(): readonly number[] {
    return [...this.#waiting, ...this.#done.keys()]
  }

  /** What has become safe since, until `archived` is told. */
  get done(): readonly SentRow[] {
    return [...this.#done.values()]
  }

  archived(rows: readonly SentRow[]): void {
    for (const { id } of rows) this.#done.delete(id)
  }

  /** Gives those that are safe at once, as all are where a server keeps them, and watches over the others. */
  async sift(sent: readonly { readonly row: SentRow; readonly envelope: Envelope }[]): Promise<SentRow[]> {
    const safe = new Set<SentRow>()
    let late = false
    for (const { row, envelope } of sent) {
      this.#waiting.add(row.id)
      void this.#events.safe(envelope, row.entryId).then(
        () => {
          this.#waiting.delete(row.id)
          if (!late) safe.add(row)
          else {
            this.#done.set(row.id, row)
            this.#onSafe()
          }
        },
        () => this.#waiting.delete(row.id),
      )
    }
    await setImmediate()
    late = true
    return sent.flatMap(({ row }) => (safe.has(row) ? [row] : []))
  }
}
