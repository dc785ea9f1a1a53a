import type { EventLogger } from '../observer.ts'

const FIRST_WAIT_MS = 100
const MAX_WAIT_MS = 5000

/** Repeats what the server must hear, however long it is away; gives `otherwise` up to it once `stopped`. */
export async function persist<T>(
  act: () => Promise<T>,
  options: { readonly otherwise: T; readonly stopped: () => boolean; readonly logger: EventLogger },
): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
    try {
      return await act()
    } catch (error) {
      if (options.stopped()) return options.otherwise
      options.logger.warn({ err: error }, 'the event server did not answer; trying again')
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}
