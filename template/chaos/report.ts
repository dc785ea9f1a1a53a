import type { Outcome } from './run.ts'
import { production, type Timeouts } from './timeouts.ts'
import { numbers } from './verdict.ts'

/** What a run did and found, for people. */
export function report({ seed, verdict, answers, committed, faults, durationMs, folder }: Outcome): string {
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0)
  const kinds = [...faults].sort().map(([kind, count]) => `  ${String(count).padStart(5)}  ${kind}`)
  const counts = Object.entries(answers.counts).sort()
  return [
    `seed ${seed}: ${committed} committed writes, ${total} faults, ${Math.round(durationMs / 1000)} s`,
    `requests: ${counts.map(([name, count]) => `${count} ${name}`).join(', ')}`,
    'faults:',
    ...kinds,
    `events dropped as stale after the event server had lost them: ${verdict.superseded}`,
    ...numbers.map((name, index) => `(${index + 1}) ${titles[name]}: ${verdict.counts[name]}`),
    ...verdict.findings.map(({ number, text, count }) => `      ${number}: ${count} ${text}`),
    ...(folder === undefined ? [] : [`faults and logs: ${folder}`, `again: bun run chaos --seed ${seed}`]),
    '',
  ].join('\n')
}

const titles = {
  writes: 'committed writes without exactly one event',
  effects: 'events without exactly one effect',
  order: 'effects out of order',
  'left over': 'left over',
} as const

/** Those that are not production's. */
export function describeTimeouts(timeouts: Timeouts): string {
  const names = Object.keys(production) as (keyof Timeouts)[]
  const changed = names.filter((name) => timeouts[name] !== production[name])
  if (changed.length === 0) return "time-outs: production's\n"
  return `time-outs: ${changed.map((name) => `${name} ${timeouts[name]} (production ${production[name]})`).join(', ')}\n`
}
