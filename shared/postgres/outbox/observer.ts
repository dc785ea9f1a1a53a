/** Where metrics attach. Every method is optional and must not throw. */
export interface OutboxObserver {
  /** The event server has taken so many rows. */
  sent?(count: number): void
  /** So many rows were moved to the archive. */
  archived?(count: number): void
  /** So many rows could not be decoded and were put aside. */
  parked?(count: number): void
  /** So many archived events were sent again, because the event server had lost them. */
  redriven?(count: number): void
}
