/** What one key has used of a limit. */
export interface Window {
  used: number
  /** What of it other replicas have not been told of. */
  unsent: number
  /** Milliseconds since the epoch. */
  resetAtMs: number
}

/**
 * Counts by key, each forgotten when its window is over; in this process alone.
 *
 * Bounded, so that nobody fills the memory by inventing keys: beyond `maxKeys` the oldest one is forgotten early.
 */
export class Windows {
  readonly #seconds: number
  readonly #maxKeys: number
  readonly #now: () => number
  /** In the order in which they began, and so, nearly, in that in which they end. */
  readonly #windows = new Map<string, Window>()

  constructor({
    seconds,
    maxKeys = 100_000,
    now = Date.now,
  }: {
    seconds: number
    maxKeys?: number | undefined
    now?: (() => number) | undefined
  }) {
    this.#seconds = seconds
    this.#maxKeys = maxKeys
    this.#now = now
  }

  /** The key's own; a new one where it had none, or the old one is over. */
  at(key: string): Window {
    const found = this.#windows.get(key)
    const nowMs = this.#now()
    if (found !== undefined && found.resetAtMs > nowMs) return found
    const window = { used: 0, unsent: 0, resetAtMs: nowMs + this.#seconds * 1000 }
    this.#windows.delete(key)
    this.#windows.set(key, window)
    this.#forget(nowMs)
    return window
  }

  delete(key: string): void {
    this.#windows.delete(key)
  }

  /** Two for each that comes: those that are over are gone before long, and nobody waits for a clearing up. */
  #forget(nowMs: number): void {
    let looked = 0
    for (const [key, { resetAtMs }] of this.#windows) {
      if (looked++ === 2 || (resetAtMs > nowMs && this.#windows.size <= this.#maxKeys)) return
      this.#windows.delete(key)
    }
  }
}
