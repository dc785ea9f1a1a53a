/** What an inbox row is found by. */
export interface EventIdentity {
  /** Who handled it: a subscription's group, or a replay's. */
  readonly group: string
  readonly source: string
  readonly id: string
}

/** Remembers which events a group has handled, in the transaction of what their handler writes. */
export interface Inbox<Trx> {
  /**
   * Runs `work` in a transaction with the indexes of those events that their group has not handled before, and marks
   * them as handled in the same one: both are kept, or neither. Where there are none, `work` does not run. An event that
   * is there twice is handled once.
   *
   * @param signal rolls the transaction back, although `work` may still run: it is rejected what it asks of `trx` then.
   * @throws what `work` throws, after the rollback; the signal's reason; or what the database says. When the answer to
   * the commit was lost it may have been kept: the next attempt finds out.
   */
  handle(
    events: readonly EventIdentity[],
    signal: AbortSignal,
    work: (trx: Trx, fresh: readonly number[]) => Promise<void>,
  ): Promise<void>
  /** Gives what a group has handled to a group of another name. */
  rename(from: string, to: string): Promise<void>
}
