/** After each `poke`: somebody's transaction is about to commit. */
const burstMs = [5, 10, 20, 35, 50] as const

/**
 * Says when to look again: a few times soon after a poke, else at a fixed interval.
 *
 * A poke comes before the commit it announces, and nothing tells of the commit itself.
 */
export class Alarm {
  readonly #everyMs: number
  #pokedAt = Number.NEGATIVE_INFINITY
  #dueAt = Number.POSITIVE_INFINITY
  #timer: ReturnType<typeof setTimeout> | undefined
  #ring: (() => void) | undefined

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  /** Cheap: called for every event that is published. */
  poke(): void {
    this.#pokedAt = performance.now()
    // What was due before stays due, or a steady stream of pokes would put it off for ever.
    if (this.#ring && this.#dueAt > this.#pokedAt + burstMs[0]) this.#arm(burstMs[0])
  }

  /** Ends the wait that runs. */
  ring(): void {
    clearTimeout(this.#timer)
    this.#dueAt = Number.POSITIVE_INFINITY
    this.#ring?.()
    this.#ring = undefined
  }

  /** Resolves after `ms`, whatever is poked. */
  rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#ring = resolve
      this.#arm(ms)
      this.#dueAt = Number.NEGATIVE_INFINITY
    })
  }

  /** Resolves when it is time to look again. One caller at a time. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#ring = resolve
      const sincePoke = performance.now() - this.#pokedAt
      // A timer may fire up to a millisecond early.
      const next = burstMs.find((offset) => offset > sincePoke + 1)
      this.#arm(next === undefined ? this.#everyMs : next - sincePoke)
    })
  }

  #arm(inMs: number): void {
    clearTimeout(this.#timer)
    this.#dueAt = performance.now() + inMs
    this.#timer = setTimeout(() => this.ring(), inMs)
  }
}
