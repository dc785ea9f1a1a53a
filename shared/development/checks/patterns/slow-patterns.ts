import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { siblingFile } from '../../embedded/sibling-file.ts'
import { sourceFiles } from '../source-files.ts'
import { type FoundPattern, patternsIn } from './sources.ts'

/** What a worker says, one at a time. */
export type PatternReport = { readonly begun: string } | { readonly slow: string } | { readonly done: true }

/** Every pattern of `src` and `shared` that a stranger's text may meet: those of `shared/development` read our own files. */
export function patternsOf(root: string): FoundPattern[] {
  return sourceFiles(root, ['src', 'shared'])
    .filter((file) => !file.startsWith('shared/development/'))
    .flatMap((file) => patternsIn(readFileSync(join(root, file), 'utf8'), file))
}

/**
 * Those patterns, and formats of schemas, that hostile texts of 10,000 characters keep busy for longer than a pass over them
 * may take. They are tried in a thread of its own; the one that it is at when `timeoutMs` have passed is the last.
 */
export async function findSlowPatterns(
  patterns: readonly FoundPattern[],
  { timeoutMs = 150_000 }: { readonly timeoutMs?: number } = {},
): Promise<string[]> {
  const worker = new Worker(siblingFile('worker', import.meta.url), { workerData: patterns })
  const slow: string[] = []
  let begun = 'nothing'
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<string[]>((resolve, reject) => {
      timer = setTimeout(() => resolve([...slow, begun]), timeoutMs)
      worker.once('error', reject)
      worker.on('message', (report: PatternReport) => {
        if ('begun' in report) begun = report.begun
        else if ('slow' in report) slow.push(report.slow)
        else resolve(slow)
      })
    })
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}
