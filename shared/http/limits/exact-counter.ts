import type { LimitServer } from './limit-server.ts'
import type { Quota, Standing } from './quota.ts'
import { Windows } from './windows.ts'

/** Longest that a request waits for the server. */
const waitMs = 100

/** Above every count that requests reach: what was blocked stays so, whoever gives his back. */
const blocked = 1_000_000_000

/**
 * Counts exactly over all replicas, for what is rare and worth a round trip: it asks the server each time, and waits for
 * it at most 100 ms.
 *
 * While the server is away each replica counts alone, from what it knew.
 */
export class ExactCounter {
  readonly quota: Quota
  readonly #server: LimitServer
  readonly #counts: ReturnType<LimitServer['counts']>
  readonly #windows: Windows
  readonly #now: () => number

  constructor(quota: Quota, { server, now = Date.now }: { server: LimitServer; now?: () => number }) {
    this.quota = quota
    this.#server = server
    this.#counts = server.counts(quota)
    this.#windows = new Windows({ seconds: quota.seconds, now })
    this.#now = now
  }

  /** One more of a key, also when it is refused. */
  take(key: string): Promise<Standing> {
    return this.#add(key, 1)
  }

  /** Takes back one that `take` counted. */
  async giveBack(key: string): Promise<void> {
    await this.#add(key, -1)
  }

  /** Refuses a key for some time, whatever it has used. */
  async block(key: string, seconds: number): Promise<void> {
    const window = this.#windows.at(key)
    window.used = blocked
    window.resetAtMs = this.#now() + seconds * 1000
    await this.#ask((counts) => counts.set(key, blocked, seconds))
  }

  /** Begins anew. */
  async forget(key: string): Promise<void> {
    this.#windows.delete(key)
    await this.#ask((counts) => counts.delete(key))
  }

  async #add(key: string, points: 1 | -1): Promise<Standing> {
    const window = this.#windows.at(key)
    window.used += points
    // Now: whoever comes at once has a number of his own.
    const { used, resetAtMs } = window
    const answer = await this.#ask((counts) =>
      points > 0 ? counts.penalty(key, points) : counts.reward(key, -points),
    )
    const { quota } = this
    if (answer === undefined) return { quota, used, resetMs: resetAtMs - this.#now() }
    // What it knows is still known here when it goes away.
    window.used = Math.max(window.used, answer.consumedPoints)
    window.resetAtMs = this.#now() + answer.msBeforeNext
    return { quota, used: answer.consumedPoints, resetMs: answer.msBeforeNext }
  }

  async #ask<Answer>(
    question: (counts: NonNullable<ReturnType<LimitServer['counts']>>) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    const counts = this.#counts
    return counts && (await this.#server.ask(() => question(counts), waitMs))
  }
}
