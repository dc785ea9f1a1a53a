import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sourceFiles } from './source-files.ts'

/** What a service has at most before its author begins: a template is read before it is used. */
export const freshLimits = { srcFiles: 45, srcLines: 2500 } as const

/** What holds for ever. */
export const lastingLimits = { fileLines: 250 } as const

export interface Size {
  readonly srcFiles: number
  readonly srcLines: number
  /** The longest file of `src` and `shared`. */
  readonly fileLines: number
  readonly longestFile: string
}

/** Counts what a service author reads first, and the longest file that anybody may have to. */
export function measureSize(root: string): Size {
  const lengths = sourceFiles(root, ['src', 'shared']).map((file) => ({
    file,
    lines: lineCount(join(root, file)),
  }))
  const src = lengths.filter(({ file }) => file.startsWith('src/'))
  const longest = lengths.reduce((most, next) => (next.lines > most.lines ? next : most))
  return {
    srcFiles: src.length,
    srcLines: src.reduce((sum, { lines }) => sum + lines, 0),
    fileLines: longest.lines,
    longestFile: longest.file,
  }
}

/** The limits that a tree exceeds. */
export function findSizeProblems(
  size: Size,
  limits: Partial<Record<'srcFiles' | 'srcLines' | 'fileLines', number>>,
): string[] {
  const keys = Object.keys(limits) as (keyof typeof limits)[]
  return keys
    .filter((key) => size[key] > (limits[key] ?? Number.POSITIVE_INFINITY))
    .map((key) => `${key} is ${size[key]}, at most ${limits[key]}`)
}

function lineCount(file: string): number {
  return readFileSync(file, 'utf8').split('\n').length - 1
}
