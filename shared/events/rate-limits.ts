/** Admits so many a second of each name, evenly refilled, with one second's worth in reserve. */
export class RateLimits {
  readonly #now: () => number
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  admit(name: string, perSecond: number | undefined): boolean {
    if (perSecond === undefined) return true
    const now = this.#now()
    const bucket = this.#buckets.get(name) ?? { tokens: perSecond, atMs: now }
    const refilled = Math.min(perSecond, bucket.tokens + ((now - bucket.atMs) / 1000) * perSecond)
    const admitted = refilled >= 1
    this.#buckets.set(name, { tokens: admitted ? refilled - 1 : refilled, atMs: now })
    return admitted
  }
}
