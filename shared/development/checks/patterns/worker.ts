import 'elysia'
import { parentPort, workerData } from 'node:worker_threads'
import { FormatRegistry } from '@sinclair/typebox'
import { registerDateTime } from '../../../schema.ts'
import { attackOn, type Judged } from './attack.ts'
import type { PatternReport } from './slow-patterns.ts'
import type { FoundPattern } from './sources.ts'

const length = 10_000
/** Going twice over a text, forwards and back, is a few times a harmless pass; a square of it would be thousands. */
const factor = 300

const harmless = /^[^\0]*\0?$/

function millisecondsOf(run: () => unknown): number {
  const startedMs = performance.now()
  run()
  return performance.now() - startedMs
}

/** Of many tries each has to take so long: what else the machine does is no fault of a pattern. */
const alwaysLonger = (limitMs: number, run: () => unknown) =>
  Array.from({ length: 12 }).every(() => millisecondsOf(run) > limitMs)

function isSlow({ test, hostile }: Judged): boolean {
  const plain = 'x'.repeat(length)
  const passesMs = Array.from({ length: 20 }, () => millisecondsOf(() => harmless.test(plain)))
  const limitMs = factor * Math.max(0.005, Math.min(...passesMs))
  for (const text of hostile(length)) if (alwaysLonger(limitMs, () => test(text))) return true
  return false
}

registerDateTime()
const formats = [...FormatRegistry.Entries()].map(([format, test]): Judged => {
  const of = '2026-01-01T00:00:00.0Z'
  return {
    name: `the format ${format}`,
    test,
    hostile: attackOn({ place: '', source: of, flags: '' }).hostile,
  }
})

const patterns: readonly FoundPattern[] = workerData
const report = (line: PatternReport) => parentPort?.postMessage(line)
for (const judged of [...formats, ...patterns.map(attackOn)]) {
  report({ begun: judged.name })
  if (isSlow(judged)) report({ slow: judged.name })
}
report({ done: true })
