import { DUPLICATE_WINDOW_MS } from '../duplicates.ts'

const MAX_SEEN = 20_000

/** The events added of late, by identity, oldest first. */
export class SeenEvents {
  readonly #now: () => number
  readonly #entries = new Map<string, { readonly entryId: string; readonly atMs: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  entryOf(identity: string): string | undefined {
    const seen = this.#entries.get(identity)
    return seen && this.#now() - seen.atMs <= DUPLICATE_WINDOW_MS ? seen.entryId : undefined
  }

  remember(identity: string, entryId: string): void {
    if (identity === '') return
    const now = this.#now()
    this.#entries.delete(identity)
    this.#entries.set(identity, { entryId, atMs: now })
    for (const [oldest, { atMs }] of this.#entries) {
      if (this.#entries.size <= MAX_SEEN && now - atMs <= DUPLICATE_WINDOW_MS) break
      this.#entries.delete(oldest)
    }
  }
}
