import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Asks a process to end, and ends it after `graceMs`. Gives its exit code; null when it had ended before, or by a signal. */
export async function endProcess(
  child: ChildProcess,
  { signal = 'SIGTERM', graceMs }: { readonly signal?: NodeJS.Signals; readonly graceMs: number },
): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return null
  const ended = once(child, 'exit')
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await ended
  clearTimeout(late)
  return child.exitCode
}
