import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Binaries, build, type Edit } from './build.ts'
import { everyKind } from './faults.ts'
import { findProtection, type Protection, protections } from './protections.ts'
import { describeTimeouts, report } from './report.ts'
import { type Outcome, type RunOptions, runChaos } from './run.ts'
import { production, shortened } from './timeouts.ts'

/**
 * `bun run chaos [--events 2000] [--faults 20] [--seed N] [--timeouts short|production]`, `--without <protection>`, or
 * `--protections [--only <protection>]`
 *
 * Exit code 0 when all four numbers are zero; with `--protections`, when each protection was missed.
 */
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '2000' },
    faults: { type: 'string' },
    seed: { type: 'string' },
    clients: { type: 'string', default: '8' },
    timeouts: { type: 'string', default: 'short' },
    without: { type: 'string' },
    profile: { type: 'string' },
    protections: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
})
const say = (text: string) => process.stdout.write(text)

const timeouts = values.timeouts === 'production' ? production : shortened
const writes = Number(values.events)
const standard: Omit<RunOptions, 'binaries' | 'seed'> = {
  name: 'run',
  writes,
  faults: Number(values.faults ?? Math.ceil(writes / 100)),
  clients: Number(values.clients),
  weights: everyKind,
  handlers: { failing: 0.01, slow: 0, slowMs: 0, attempts: 5 },
  timeouts,
  drainMs: 6 * timeouts.keepAliveMs + 180_000,
}

async function withBinaries<Result>(
  edits: readonly Edit[],
  run: (binaries: Binaries) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-build-'))
  try {
    return await run(build(folder, edits))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const isClean = ({ folder }: Outcome) => folder === undefined

/** With the faults that the protection is there for coming more often. */
function optionsFor(protection: Protection | undefined): Omit<RunOptions, 'binaries' | 'seed'> {
  if (protection === undefined) return standard
  const { name, profile } = protection
  const weights = { ...everyKind, ...profile.weights }
  return { ...standard, ...profile.run, name: name.replaceAll(' ', '-'), weights, drainMs: 120_000 }
}

async function once(seed: number): Promise<boolean> {
  const missing = values.without === undefined ? undefined : findProtection(values.without)
  const profile = values.profile === undefined ? missing : findProtection(values.profile)
  return await withBinaries(without(missing), async (binaries) => {
    const options = optionsFor(profile)
    say(describeTimeouts(options.timeouts))
    const outcome = await runChaos({ ...options, binaries, seed })
    say(report(outcome))
    return isClean(outcome)
  })
}

function without(protection: Protection | undefined): readonly Edit[] {
  return protection === undefined ? [] : [...protection.edits, ...(protection.hiddenBy ?? [])]
}

/**
 * Takes out one protection after the other, until a number breaks, and repeats the seed that broke it with the protection in
 * place; gives whether each was missed within three seeds, and by nothing else.
 */
async function everyProtection(first: number): Promise<boolean> {
  const rows: string[] = []
  let allMissed = true
  for (const protection of values.only === undefined ? protections : [findProtection(values.only)]) {
    const options = optionsFor(protection)
    const broken = await withBinaries(without(protection), async (binaries) => {
      for (let seed = first; seed < first + 3; seed += 1) {
        const outcome = await runChaos({ ...options, binaries, seed })
        say(`without ${protection.name}, ${report(outcome)}\n`)
        if (!isClean(outcome)) return { seed, numbers: brokenNumbers(outcome) }
      }
      return undefined
    })
    const control = await withBinaries(protection.hiddenBy ?? [], async (binaries) => {
      const outcome = await runChaos({ ...options, binaries, seed: broken?.seed ?? first })
      say(`with ${protection.name}, ${report(outcome)}\n`)
      return outcome
    })
    allMissed &&= broken !== undefined && isClean(control)
    rows.push(
      `| ${protection.name} | ${broken?.numbers ?? 'none'} | ${brokenNumbers(control)} | ${broken?.seed ?? '–'} |`,
    )
  }
  say(['| protection | without it | with it | seed |', '|---|---|---|---|', ...rows, ''].join('\n'))
  return allMissed
}

function brokenNumbers({ verdict }: Outcome): string {
  const broken = Object.entries(verdict.counts).filter(([, count]) => count > 0)
  return broken.map(([name, count]) => `${name} (${count})`).join(', ') || 'none'
}

const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
const passed = values.protections ? await everyProtection(Number(values.seed ?? 1)) : await once(seed)
process.exit(passed ? 0 : 1)
