import { createRandom, type Random } from './random.ts'

export const faultKinds = [
  'kill consumer',
  'kill relay',
  'kill http',
  'freeze consumer',
  'freeze relay',
  'roll out http',
  'roll out relay',
  'roll out consumer',
  'cut link to redis',
  'cut reply of redis',
  'cut link to postgres',
  'delay link to redis',
  'delay link to postgres',
  'half-open link to redis',
  'half-open link to postgres',
  'kill redis',
  'freeze redis',
  'cut tail of redis file',
  'empty redis',
  'promote lagging replica',
  'terminate connections',
  'restart postgres',
] as const
export type FaultKind = (typeof faultKinds)[number]

/** Those by which the event server loses what it has acknowledged. */
export const lossKinds: readonly FaultKind[] = [
  'cut tail of redis file',
  'empty redis',
  'promote lagging replica',
]

/** How often each kind comes, beside the others. */
export type Weights = Readonly<Record<FaultKind, number>>

/**
 * Redis is emptied only where healing is looked at: relays look for what was sent in the last minute, so a consumer that lags
 * behind for longer needs an `outbox redrive` by hand then.
 */
export const everyKind: Weights = {
  'kill consumer': 4,
  'kill relay': 4,
  'kill http': 1,
  'freeze consumer': 4,
  'freeze relay': 3,
  'roll out http': 2,
  'roll out relay': 2,
  'roll out consumer': 2,
  'cut link to redis': 3,
  'cut reply of redis': 2,
  'cut link to postgres': 3,
  'delay link to redis': 2,
  'delay link to postgres': 2,
  'half-open link to redis': 2,
  'half-open link to postgres': 2,
  'kill redis': 2,
  'freeze redis': 2,
  'cut tail of redis file': 2,
  'empty redis': 0,
  'promote lagging replica': 2,
  'terminate connections': 2,
  'restart postgres': 1,
}

/** One fault as the seed has it: everything about it but the moment, which is when so many writes were answered. */
export interface Fault {
  readonly number: number
  readonly kind: FaultKind
  readonly atWrite: number
  /** Which of the processes, or of their links, when there are several: taken modulo their count. */
  readonly target: number
  readonly durationMs: number
  /** From 0 to 1, for what else the kind needs. */
  readonly size: number
}

/** The faults of a seed, in their order: each at a place of its own among the writes. */
export function planFaults(options: {
  readonly seed: number
  readonly count: number
  readonly writes: number
  readonly weights: Weights
}): readonly Fault[] {
  const { seed, count, writes, weights } = options
  const random = createRandom(seed)
  const spacing = writes / (count + 1)
  return Array.from({ length: count }, (_, index) => {
    const kind = random.weighted(weights)
    return {
      number: index + 1,
      kind,
      atWrite: Math.round(spacing * (index + 0.5 + random.next())),
      target: random.integer(0, 1_000_000),
      durationMs: durationOf(kind, random),
      size: random.next(),
    }
  })
}

function durationOf(kind: FaultKind, random: Random): number {
  if (kind === 'freeze redis') return random.integer(200, 3000)
  // Longer than a claim waits; a relay's locks are freed after ten seconds of silence.
  if (kind === 'freeze consumer') return random.integer(500, 6000)
  if (kind === 'freeze relay') return random.integer(500, 12_000)
  return random.integer(200, 2500)
}
