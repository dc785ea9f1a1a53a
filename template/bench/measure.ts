import { type LoadOptions, load } from './load.ts'
import { cpuTimeUs } from './machine.ts'
import type { Server } from './server.ts'
import type { Case, Subject } from './subjects.ts'

export interface Measurement {
  readonly case: Case
  readonly subject: Subject
  readonly requestsPerSecond: number
  /** CPU time of the server's process; undefined where it cannot be read. */
  readonly cpuUsPerRequest: number | undefined
  readonly p99Us: number
  /** Requests a second, as a share of those of the case's first subject: of each round, the median. */
  readonly ratio: number
  /** The same by CPU time. */
  readonly cpuRatio: number | undefined
}

export interface MeasureOptions {
  readonly cases: readonly Case[]
  readonly servers: ReadonlyMap<Subject, Server>
  readonly token: string
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
}

/**
 * Measures everything in turn, and that `rounds` times: what else the machine does hits all alike. Gives the medians.
 *
 * @throws {Error} when a server answered with an error: its speed would mean nothing.
 */
export async function measure({ cases, servers, token, rounds, ...options }: MeasureOptions) {
  const pairs = cases.flatMap((measured) => measured.subjects.map((subject) => ({ case: measured, subject })))
  const samples = new Map(pairs.map((pair) => [pair, [] as Sample[]]))
  const { seconds, connections } = options

  for (let round = 0; round <= rounds; round += 1) {
    for (const [{ case: measured, subject }, taken] of samples) {
      const server = servers.get(subject)
      if (server === undefined) continue
      const { method, path, withToken } = measured
      const url = `http://127.0.0.1:${server.port}${path}`
      const request = { url, method, connections, ...(withToken && { token }) }
      // The first round only warms up: code is compiled, connections are made.
      const sample = await sampleOf(server, { ...request, seconds: round === 0 ? 1 : seconds })
      if (sample.errors > 0) throw new Error(`${subject} answered ${measured.route} with errors`)
      if (round > 0) taken.push(sample)
    }
    process.stderr.write(round === 0 ? 'warm; rounds ' : `${round} `)
  }
  process.stderr.write('\n')
  const firstOf = new Map<Case, readonly Sample[]>()
  for (const [pair, taken] of samples) if (!firstOf.has(pair.case)) firstOf.set(pair.case, taken)
  return [...samples].map(
    ([pair, taken]): Measurement => ({
      ...pair,
      ...ratiosTo(firstOf.get(pair.case) ?? [], taken),
      requestsPerSecond: median(taken.map((sample) => sample.requestsPerSecond)),
      cpuUsPerRequest: medianOfKnown(taken.map((sample) => sample.cpuUsPerRequest)),
      p99Us: median(taken.map((sample) => sample.p99Us)),
    }),
  )
}

/** What the machine does beside hits a round as a whole: only what stands in the same round is compared. */
function ratiosTo(
  base: readonly Sample[],
  taken: readonly Sample[],
): Pick<Measurement, 'ratio' | 'cpuRatio'> {
  const pairs = base.flatMap((first, round) => {
    const sample = taken[round]
    return sample === undefined ? [] : [{ first, sample }]
  })
  return {
    ratio: median(pairs.map(({ first, sample }) => sample.requestsPerSecond / first.requestsPerSecond)),
    cpuRatio: medianOfKnown(
      pairs.map(({ first, sample }) =>
        first.cpuUsPerRequest && sample.cpuUsPerRequest
          ? first.cpuUsPerRequest / sample.cpuUsPerRequest
          : undefined,
      ),
    ),
  }
}

interface Sample {
  readonly requestsPerSecond: number
  readonly cpuUsPerRequest: number | undefined
  readonly p99Us: number
  readonly errors: number
}

async function sampleOf({ pid }: Server, options: LoadOptions): Promise<Sample> {
  const before = cpuTimeUs(pid)
  const { requests, durationUs, errors, p99Us } = await load(options)
  const after = cpuTimeUs(pid)
  return {
    requestsPerSecond: requests / (durationUs / 1e6),
    cpuUsPerRequest: before === undefined || after === undefined ? undefined : (after - before) / requests,
    p99Us,
    errors,
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2
}

function medianOfKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : median(known)
}
