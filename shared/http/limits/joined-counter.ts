import type { LimitServer } from './limit-server.ts'
import type { Quota, Standing } from './quota.ts'
import { type Window, Windows } from './windows.ts'

/** Longer than any answer of a server that is well: nobody waits for it but the joining itself. */
const joinTimeoutMs = 1000

/**
 * Counts requests without making one wait, and joins the counts of all replicas a moment later.
 *
 * What a replica admitted itself it knows at once; what the others did it learns with the next `join`. So all of them
 * together admit at most `points`, and what arrives at the others between two joins; no replica ever more than `points`.
 * It costs one command for each key that was used between two joins, off the requests' way. A window begins with a key's
 * first request.
 *
 * While the server is away each replica counts alone, from what it knew.
 */
export class JoinedCounter {
  readonly #quota: Quota
  readonly #server: LimitServer
  readonly #counts: ReturnType<LimitServer['counts']>
  readonly #windows: Windows
  readonly #now: () => number
  #used = new Map<string, Window>()

  constructor(
    quota: Quota,
    { server, maxKeys, now = Date.now }: { server: LimitServer; maxKeys?: number; now?: () => number },
  ) {
    this.#quota = quota
    this.#server = server
    this.#counts = server.counts(quota)
    this.#windows = new Windows({ seconds: quota.seconds, maxKeys, now })
    this.#now = now
  }

  /** One more of a key. One that is refused is not counted. */
  take(key: string): Standing {
    const window = this.#windows.at(key)
    const resetMs = window.resetAtMs - this.#now()
    if (window.used >= this.#quota.points)
      return { quota: this.#quota, used: this.#quota.points + 1, resetMs }
    window.used += 1
    if (this.#counts) {
      window.unsent += 1
      this.#used.set(key, window)
    }
    return { quota: this.#quota, used: window.used, resetMs }
  }

  /** Tells the server what was counted here, and learns what was counted elsewhere. */
  async join(): Promise<void> {
    if (this.#server.isSilent()) return
    const used = this.#used
    this.#used = new Map()
    await Promise.all(Array.from(used, ([key, window]) => this.#joinOne(key, window)))
  }

  async #joinOne(key: string, window: Window): Promise<void> {
    const sent = window.unsent
    window.unsent = 0
    const counts = this.#counts
    if (counts === undefined || window.resetAtMs <= this.#now()) return
    const answer = await this.#server.ask(() => counts.penalty(key, sent), joinTimeoutMs)
    if (answer === undefined) return
    // Neither is undone by a server that has forgotten: the window only gets shorter, the count only higher.
    window.used = Math.max(window.used, answer.consumedPoints + window.unsent)
    window.resetAtMs = Math.min(window.resetAtMs, this.#now() + answer.msBeforeNext)
  }
}
