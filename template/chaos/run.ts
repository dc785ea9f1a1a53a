import { setTimeout as delay } from 'node:timers/promises'
import type { Binaries } from './build.ts'
import { planFaults, type Weights } from './faults.ts'
import { type Handlers, startFleet } from './fleet.ts'
import { type Ledger, readLedger } from './ledger.ts'
import { openRunLog } from './log.ts'
import { startChaosPostgres } from './postgres.ts'
import { startRedisPair } from './redis.ts'
import { Striker } from './strike.ts'
import type { Timeouts } from './timeouts.ts'
import { isDrained, judge, type Verdict } from './verdict.ts'
import { type Answers, writeUsers } from './workload.ts'

const lookEveryMs = 500

export interface RunOptions {
  /** Names the run's folder. */
  readonly name: string
  readonly binaries: Binaries
  readonly seed: number
  /** Writes that must be answered with success. */
  readonly writes: number
  readonly faults: number
  readonly clients: number
  readonly weights: Weights
  readonly handlers: Handlers
  readonly timeouts: Timeouts
  /** How long what was written may take to have all its effects, after the last fault. */
  readonly drainMs: number
}

export interface Outcome {
  readonly seed: number
  readonly verdict: Verdict
  readonly answers: Answers
  readonly committed: number
  readonly faults: ReadonlyMap<string, number>
  readonly durationMs: number
  /** Where faults and logs are; undefined when all numbers are zero, and nothing was kept. */
  readonly folder: string | undefined
}

/** One run: writes under faults, then peace, then the verdict on what the rows say. */
export async function runChaos(options: RunOptions): Promise<Outcome> {
  const {
    name,
    binaries,
    seed,
    writes,
    faults: count,
    clients,
    weights,
    handlers,
    timeouts,
    drainMs,
  } = options
  const startedAt = performance.now()
  const log = openRunLog(`${name}-${seed}`)
  const opened: { stop(): Promise<void> }[] = []
  try {
    const postgres = await startChaosPostgres()
    opened.push(postgres)
    const redis = await startRedisPair()
    opened.push(redis)
    const fleet = await startFleet({ binaries, postgres, redis, timeouts, handlers, log })
    opened.push(fleet)

    const plan = planFaults({ seed, count, writes, weights })
    const striker = new Striker({ slots: fleet.slots, postgres, redis }, plan, log.note)
    const answers = await writeUsers({
      more: (written) => written < writes || !striker.exhausted,
      clients,
      seed,
      token: fleet.token,
      ports: () => fleet.slots.http.map(({ port }) => port),
      wrote: (written) => striker.reached(written),
    })
    await striker.settled()
    log.note('the last fault is over')

    const look = async () => {
      const ledger = await readLedger(postgres, redis.port())
      log.note(
        `${ledger.events.length} events, ${ledger.effects.length} effects, left over ${JSON.stringify(ledger.leftOver)}`,
      )
      return ledger
    }
    const ledger = await drained(look, drainMs)
    const leftOver = { ...ledger.leftOver, 'faults that could not be ended': striker.failed }
    const verdict = judge({ ...ledger, leftOver }, answers, striker.losses)
    const isClean = Object.values(verdict.counts).every((count) => count === 0)
    for (const { number, text, count, examples = [] } of verdict.findings)
      for (const line of [`${number}: ${count} ${text}`, ...examples]) log.note(line)
    if (isClean) log.drop()
    return {
      seed,
      verdict,
      answers,
      committed: ledger.writes.length,
      faults: striker.counts,
      durationMs: performance.now() - startedAt,
      folder: isClean ? undefined : log.folder,
    }
  } finally {
    for (const part of opened.reverse()) await part.stop()
  }
}

async function drained(look: () => Promise<Ledger>, deadlineMs: number): Promise<Ledger> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const ledger = await look()
    if (isDrained(ledger) || performance.now() > deadline) return ledger
    await delay(lookEveryMs)
  }
}
