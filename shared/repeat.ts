/**
 * Does something now and again, each turn after the one before it has ended.
 *
 * @param failed told of each turn that failed; the next one comes all the same.
 * @returns what ends it, once the turn that runs is over.
 */
export function repeat(
  act: () => Promise<unknown>,
  { everyMs, failed }: { readonly everyMs: number; readonly failed: (error: unknown) => void },
): () => Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let stopped = false
  let turn = run()
  async function run(): Promise<void> {
    await act().catch(failed)
    if (stopped) return
    timer = setTimeout(() => {
      turn = run()
    }, everyMs)
  }
  return async () => {
    stopped = true
    clearTimeout(timer)
    await turn
  }
}
