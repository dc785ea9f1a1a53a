import type { EventAttributes } from './compose.ts'
import type { Envelope } from './envelope.ts'
import type { PublishData, StreamContract } from './event.ts'
import type { StoredEntry } from './transport.ts'

/** Takes events into the caller's transaction, to be sent once it has committed. */
export interface Outbox<Trx> {
  /**
   * Resolves when the rows are written; they are sent if and only if `trx` commits, events of one key in the order in
   * which their transactions commit.
   *
   * @throws when `trx` is closed.
   */
  add(trx: Trx, events: readonly Envelope[]): Promise<void>
}

/** What an outbox has sent, longer than the stream keeps it. */
export interface EventArchive {
  /** Entries of a tag after an id and up to another, oldest first, at most `count`, by the ids they had in the stream. */
  range(tag: string, after: string, until: string, count: number): Promise<readonly StoredEntry[]>
}

/** Publishes with rows, and nothing else: what `Events` can do without an event server. */
export interface OutboxPublisher<Trx> {
  /** @throws {EventError} `EVENT_INVALID` before anything is written. */
  publish<C extends StreamContract>(
    contract: C,
    data: PublishData<C>,
    options: EventAttributes & { readonly trx: Trx },
  ): Promise<{ readonly id: string }>
}
