import type { Envelope } from './envelope.ts'
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
