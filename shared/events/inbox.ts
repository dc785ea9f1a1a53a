/** With the group's name, the key of an inbox row. */
export interface EventIdentity {
  readonly source: string
  readonly id: string
}

/** Remembers which events a group has handled, in the transaction of what their handler writes. */
export interface Inbox<Trx> {
  /**
   * Runs `work` in a transaction with the indexes of those events that the group has not handled before, and marks
   * them as handled in the same one: both are kept, or neither. Where there are none, `work` does not run.
   *
   * @param signal rolls the transaction back, although `work` may still run: it is rejected what it asks of `trx` then.
   * @throws what `work` throws, after the rollback; the signal's reason; or what the database says.
   */
  handle(
    group: string,
    events: readonly EventIdentity[],
    signal: AbortSignal,
    work: (trx: Trx, fresh: readonly number[]) => Promise<void>,
  ): Promise<void>
}
