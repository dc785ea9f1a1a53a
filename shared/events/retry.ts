/** Exponential backoff: `baseMs`, doubled for every further attempt, at most `maxMs`. */
export interface Backoff {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * The milliseconds to wait after failed attempt number `attempt` (from 1). Half of it is random, so that events
 * which failed together do not return together.
 *
 * @param random gives a number from 0 to 1, excluding 1.
 */
export function backoffMs(attempt: number, { baseMs, maxMs }: Backoff, random: () => number): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(full / 2 + (full / 2) * random())
}
