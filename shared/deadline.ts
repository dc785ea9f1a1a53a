import { AppError } from './errors.ts'

/**
 * Waits for `work`, though no longer than `timeoutMs`: then it gives `late`, and the work goes on unheard.
 *
 * @throws what `work` rejects with in time.
 */
export async function withinTime<T, Late>(
  work: Promise<T>,
  timeoutMs: number,
  late: Late,
): Promise<T | Late> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const timeout = new Promise<Late>((resolve) => {
    timer = setTimeout(() => resolve(late), timeoutMs)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}

/** The failure of what a request waited for when its own time was up. */
export function requestTimeout(): AppError {
  return new AppError('REQUEST_TIMEOUT', 'The request took too long', { headers: { 'retry-after': '1' } })
}
