/** What is open, in the order it was opened. */
export interface Lifecycle {
  /** Remembers how to close something, under a name that a person recognises. */
  readonly opened: (name: string, close: () => Promise<unknown> | unknown) => void
  /**
   * Closes everything, last opened first, each awaited, all within one deadline. A close that fails does not keep the
   * others from being closed.
   *
   * @returns what is still open, by name, with the error where there was one; empty when all is closed.
   */
  readonly close: (options: { timeoutMs: number }) => Promise<readonly StillOpen[]>
}

export interface StillOpen {
  readonly name: string
  /** Why it did not close; undefined where the time was up. */
  readonly error?: unknown
}

export function createLifecycle(): Lifecycle {
  const stack: { name: string; close: () => Promise<unknown> | unknown }[] = []

  return {
    opened(name, close) {
      stack.push({ name, close })
    },
    async close({ timeoutMs }) {
      const failed: StillOpen[] = []
      let timer: ReturnType<typeof setTimeout> | undefined
      const deadline = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), timeoutMs)
      })
      try {
        for (let part = stack.at(-1); part !== undefined; part = stack.at(-1)) {
          const outcome = await Promise.race([attempt(part.close), deadline])
          if (outcome === 'late') return [...failed, ...stack.map(({ name }) => ({ name }))]
          if (outcome !== undefined) failed.push({ name: part.name, error: outcome.error })
          stack.pop()
        }
        return failed
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

async function attempt(close: () => Promise<unknown> | unknown): Promise<{ error: unknown } | undefined> {
  try {
    await close()
    return undefined
  } catch (error) {
    return { error }
  }
}
