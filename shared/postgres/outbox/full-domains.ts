import { type Backoff, backoffMs } from '../../events/retry.ts'

/** Domains whose stream takes nothing more: their rows are left alone for a while, or the others would wait behind them. */
export class FullDomains {
  readonly #backoff: Backoff
  readonly #now: () => number
  readonly #random: () => number
  readonly #found = new Map<string, { readonly times: number; readonly untilMs: number }>()

  constructor(backoff: Backoff, now: () => number, random: () => number) {
    this.#backoff = backoff
    this.#now = now
    this.#random = random
  }

  /** Those to leave alone. */
  get now(): readonly string[] {
    return [...this.#found].flatMap(([domain, { untilMs }]) => (untilMs > this.#now() ? [domain] : []))
  }

  /** What one turn found full; one that it tried and did not find full is forgotten in time. */
  note(full: ReadonlySet<string>): void {
    const now = this.#now()
    for (const domain of full) {
      const times = (this.#found.get(domain)?.times ?? 0) + 1
      this.#found.set(domain, { times, untilMs: now + backoffMs(times, this.#backoff, this.#random) })
    }
    for (const [domain, { untilMs }] of this.#found) {
      if (now - untilMs > this.#backoff.maxMs) this.#found.delete(domain)
    }
  }
}
