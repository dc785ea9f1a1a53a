import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel'
import { AppError } from '../errors.ts'

export const breakerStates = ['closed', 'half-open', 'open'] as const
export type BreakerState = (typeof breakerStates)[number]

/** What a breaker says instead of asking a dependency that does not answer. */
export class BrokenCircuit extends AppError {
  /** Cockatiel's own mark, by which subscriptions know that their event is not at fault. */
  readonly isBrokenCircuitError = true
}

/**
 * Stands before a dependency, and lets nobody through once it has failed several times in a row; after a while it lets
 * one try, and all when that succeeds.
 *
 * Driven by hand, because it is asked for every statement: while it is closed it costs a comparison.
 */
export interface Breaker {
  readonly state: BreakerState
  /**
   * Asks to be let through. Whoever is must say how it ended: nobody else is let through until a try has.
   *
   * @throws {BrokenCircuit} with the breaker's code and `retry-after`.
   */
  readonly admit: () => void
  /** The dependency answered, were it to refuse. */
  readonly succeeded: () => void
  /** It did not answer. */
  readonly failed: (error: unknown) => void
  /** It was not heard. Nothing is known, so whoever tried has failed. */
  readonly undecided: () => void
}

export interface BreakerOptions {
  /** What clients are told: the code and the text of the error. */
  readonly code: string
  readonly message: string
  /** So many failures, with no success between them, open it. */
  readonly failures: number
  /** So long after that one is let through, milliseconds. */
  readonly openMs: number
  readonly changed?: (state: BreakerState) => void
}

const stateNames = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
} as const satisfies Record<CircuitState, BreakerState>

/** One who never says how it ended must not keep the others out for ever. */
const maxTrialMs = 60_000

export function createBreaker({ code, message, failures, openMs, changed }: BreakerOptions): Breaker {
  const counter = new ConsecutiveBreaker(failures)
  const policy = circuitBreaker(handleAll, { breaker: counter, halfOpenAfter: openMs })
  policy.onStateChange((state) => changed?.(stateNames[state]))
  const headers = { 'retry-after': String(Math.ceil(openMs / 1000)) }
  let trial: { resolve: () => void; reject: (error: unknown) => void } | undefined
  let trialUntilMs = 0

  /** Cockatiel says whether it is time; what it then runs ends when the one who was let through says so. */
  const beginTrial = (): boolean => {
    if (trial && performance.now() > trialUntilMs) fail(new Error('The trial did not end'))
    if (policy.state !== CircuitState.Open) return false
    const begin = () =>
      new Promise<void>((resolve, reject) => {
        trial = { resolve, reject }
        trialUntilMs = performance.now() + maxTrialMs
      })
    policy.execute(begin).catch(() => {})
    return trial !== undefined
  }
  const fail = (error: unknown): void => {
    trial?.reject(error)
    if (trial === undefined && policy.state === CircuitState.Closed)
      policy.execute(() => Promise.reject(error)).catch(() => {})
    trial = undefined
  }

  return {
    get state() {
      return stateNames[policy.state]
    },
    admit() {
      if (policy.state === CircuitState.Closed || beginTrial()) return
      const { lastFailure } = policy
      const cause = lastFailure && 'error' in lastFailure ? lastFailure.error : undefined
      throw new BrokenCircuit(code, message, { cause, headers })
    },
    succeeded() {
      if (counter.state > 0 && policy.state === CircuitState.Closed) counter.success()
      if (trial === undefined) return
      trial.resolve()
      trial = undefined
    },
    failed: fail,
    undecided() {
      if (trial) fail(new Error('The trial was abandoned'))
    },
  }
}
