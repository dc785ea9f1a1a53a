import { RateLimiterRedis } from 'rate-limiter-flexible'
import { withinTime } from '../../deadline.ts'
import type { EventLogger } from '../../events/observer.ts'
import type { RedisClient } from '../../redis.ts'

export interface LimitServerOptions {
  /** The service's own; undefined where there is one process only. */
  readonly redis: RedisClient | undefined
  /** Begins every key. */
  readonly prefix: string
  /** After it was silent nobody asks it for so long. Default 1,000. */
  readonly pauseMs?: number
  /** Told when counting goes on in this process alone, and when it is joined again. */
  readonly logger?: Pick<EventLogger, 'info' | 'warn'> | undefined
  readonly now?: () => number
}

const late = Symbol('late')

/** The Redis that replicas count on together. Its absence is an answer, and comes fast. */
export class LimitServer {
  readonly #options: LimitServerOptions
  readonly #now: () => number
  #closedUntilMs = 0
  #reachable = true

  constructor(options: LimitServerOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** The counts of one policy there, each kept for `seconds`; undefined in a single process. */
  counts({ policy, points, seconds }: { policy: string; points: number; seconds: number }) {
    const { redis, prefix } = this.#options
    if (redis === undefined) return undefined
    const keyPrefix = `${prefix}:${policy}`
    return new RateLimiterRedis({
      storeClient: redis,
      keyPrefix,
      points,
      duration: seconds,
      rejectIfRedisNotReady: true,
    })
  }

  /**
   * What it answers within `timeoutMs`; undefined where it does not, or was silent a moment ago. Never rejects.
   *
   * A question that is not answered in time may still be carried out.
   */
  async ask<Answer>(question: () => Promise<Answer>, timeoutMs: number): Promise<Answer | undefined> {
    if (this.isSilent()) return undefined
    try {
      const asked = question()
      const answer = await withinTime<Answer, typeof late>(asked, timeoutMs, late)
      if (answer !== late) {
        this.#became(true)
        return answer
      }
      asked.catch(() => {})
      this.#silence(new Error(`no answer within ${timeoutMs} ms`))
    } catch (error) {
      this.#silence(error)
    }
    return undefined
  }

  /** Whether it is not worth asking now. */
  isSilent(): boolean {
    return this.#now() < this.#closedUntilMs
  }

  #silence(error: unknown): void {
    this.#closedUntilMs = this.#now() + (this.#options.pauseMs ?? 1000)
    this.#became(false, error)
  }

  #became(reachable: boolean, error?: unknown): void {
    if (this.#reachable === reachable) return
    this.#reachable = reachable
    const { logger } = this.#options
    if (reachable) logger?.info({}, 'rates are limited over all replicas again')
    else logger?.warn({ err: error }, 'rates are limited in each replica alone: Redis does not answer')
  }
}
