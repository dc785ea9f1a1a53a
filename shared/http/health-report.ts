import { withinTime } from '../deadline.ts'

/** Whether a part answers, and what there is to say about it. */
export interface PartHealth {
  readonly status: 'up' | 'down'
  readonly [fact: string]: unknown
}

/** Asks a part for its health; a rejection counts as down. */
export type HealthProbe = () => Promise<PartHealth>

/** The parts of a service, by name. */
export interface HealthParts {
  /** Parts without which the service cannot answer requests. */
  readonly required: Readonly<Record<string, HealthProbe>>
  /** Parts that it can do without for a while. */
  readonly optional?: Readonly<Record<string, HealthProbe>>
  /** Longest wait for one part, milliseconds. Default 2,000. */
  readonly timeoutMs?: number
}

export interface HealthReport {
  /** Every required part is up. */
  readonly healthy: boolean
  /** Some part is down. */
  readonly degraded: boolean
  readonly parts: Readonly<Record<string, PartHealth>>
}

/** Asks every part at once; never rejects. */
export async function examineHealth({
  required,
  optional = {},
  timeoutMs = 2000,
}: HealthParts): Promise<HealthReport> {
  const probes = Object.entries({ ...required, ...optional })
  const asked = probes.map(async ([name, probe]) => [name, await within(probe, timeoutMs)] as const)
  const parts = Object.fromEntries(await Promise.all(asked))
  const down = Object.keys(parts).filter((name) => parts[name]?.status === 'down')
  return { parts, healthy: !down.some((name) => name in required), degraded: down.length > 0 }
}

async function within(probe: HealthProbe, timeoutMs: number): Promise<PartHealth> {
  try {
    return await withinTime(probe(), timeoutMs, { status: 'down', reason: 'timeout' })
  } catch {
    return { status: 'down', reason: 'unreachable' }
  }
}
