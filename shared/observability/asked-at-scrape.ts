import { withinTime } from '../deadline.ts'

/**
 * What several gauges of one scrape are told from one answer. A scrape goes on without what cannot be asked.
 *
 * @param otherwise given when nobody answers within `timeoutMs`.
 */
export function askedAtScrape<T, Otherwise>(
  ask: () => Promise<T>,
  { timeoutMs, otherwise }: { readonly timeoutMs: number; readonly otherwise: Otherwise },
): () => Promise<T | Otherwise> {
  let asked: Promise<T | Otherwise> | undefined
  return () => {
    asked ??= withinTime(
      ask().catch(() => otherwise),
      timeoutMs,
      otherwise,
    ).finally(() => {
      asked = undefined
    })
    return asked
  }
}
