/** Watches how late the event loop is. */
export interface EventLoopLag {
  /** Whether it was late each of the last times that were looked at. */
  readonly isHigh: () => boolean
  readonly close: () => void
}

/**
 * @param maxMs from here on it is late.
 * @param everyMs how often it is looked at. Default 100.
 * @param times how often in a row it must be late: a single long task is no overload. Default 3.
 */
export function watchEventLoop({
  maxMs,
  everyMs = 100,
  times = 3,
}: {
  readonly maxMs: number
  readonly everyMs?: number
  readonly times?: number
}): EventLoopLag {
  let inRow = 0
  let timer: ReturnType<typeof setTimeout>
  const look = (): void => {
    const dueMs = performance.now() + everyMs
    timer = setTimeout(() => {
      inRow = performance.now() - dueMs >= maxMs ? inRow + 1 : 0
      look()
    }, everyMs)
  }
  look()
  return { isHigh: () => inRow >= times, close: () => clearTimeout(timer) }
}
