import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What happened in one run: a folder with the faults, and what every process wrote. Kept when the run failed. */
export interface RunLog {
  readonly folder: string
  /** A line with the time. */
  note(text: string): void
  /** Where a process writes; processes that follow each other share one file. */
  fileOf(process: string): string
  drop(): void
}

export function openRunLog(name: string): RunLog {
  const folder = mkdtempSync(join(tmpdir(), `chaos-${name}-`))
  mkdirSync(join(folder, 'processes'))
  return {
    folder,
    note: (text) => appendFileSync(join(folder, 'faults.log'), `${new Date().toISOString()} ${text}\n`),
    fileOf: (process) => join(folder, 'processes', `${process}.log`),
    drop: () => rmSync(folder, { recursive: true, force: true }),
  }
}
