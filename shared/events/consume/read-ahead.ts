const TARGET_MS = 500
const MAX_READ = 100
const MAX_QUEUED = 400
const MAX_BUSY = 5000
const WEIGHT = 0.05

/**
 * How much to read: what the handlers finish in half a second, so that fast ones are never idle and slow ones leave
 * the rest to other processes.
 */
export class ReadAhead {
  readonly #concurrency: number
  #averageMs = 20

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  took(durationMs: number): void {
    this.#averageMs += (durationMs - this.#averageMs) * WEIGHT
  }

  /** @param busy held here in any state, acknowledgements on their way included. */
  room(queued: number, busy: number): number {
    if (busy >= MAX_BUSY) return 0
    const wanted = Math.round((this.#concurrency * TARGET_MS) / Math.max(1, this.#averageMs))
    const target = Math.min(MAX_QUEUED, Math.max(this.#concurrency, wanted))
    const room = target - queued
    // A quarter read at a time costs more round trips than it saves waiting.
    return room * 4 < Math.min(target, MAX_READ) ? 0 : Math.min(MAX_READ, room)
  }

  /** One more event to try while a dependency is down. */
  roomForProbe(busy: number): number {
    return busy < MAX_QUEUED ? 1 : 0
  }
}
