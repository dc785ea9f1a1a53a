import { Counter, Gauge, type Registry } from 'prom-client'
import type { HealthProbe } from '../http/health-report.ts'
import {
  type Breaker,
  type BreakerOptions,
  type BreakerState,
  breakerStates,
  createBreaker,
} from './breaker.ts'

/** The breakers of a process, by name. */
export interface Breakers {
  readonly database: Breaker
  readonly redis: Breaker
  /** The breaker of a service that is called: the same for each who names it. */
  readonly of: (name: string) => Breaker
  /** One that is seen by nobody, for what there is too much of. */
  readonly unnamed: () => Breaker
  /** Down while one of them is not closed. */
  readonly health: HealthProbe
}

export interface BreakersOptions {
  /** So many failures in a row, with no success between them, open a breaker. */
  readonly breakerFailures: number
  /** So long after that one request tries, milliseconds. */
  readonly breakerOpenMs: number
  readonly registry?: Registry
  /** Told of each that opened or closed. */
  readonly changed?: (name: string, state: BreakerState) => void
}

export function createBreakers({
  breakerFailures,
  breakerOpenMs,
  registry,
  changed,
}: BreakersOptions): Breakers {
  const breakers = new Map<string, Breaker>()
  const metrics = registry && breakerMetrics(registry, breakers)

  const limits = { failures: breakerFailures, openMs: breakerOpenMs }
  const open = (name: string, told: Pick<BreakerOptions, 'code' | 'message'> = unavailable): Breaker => {
    const breaker = createBreaker({
      ...told,
      ...limits,
      changed(state) {
        metrics?.inc({ name, state })
        changed?.(name, state)
      },
    })
    breakers.set(name, breaker)
    for (const state of breakerStates) metrics?.inc({ name, state }, 0)
    return breaker
  }

  return {
    database: open('database', { code: 'DATABASE_UNAVAILABLE', message: 'The database cannot be reached' }),
    redis: open('redis'),
    of: (name) => breakers.get(name) ?? open(name),
    unnamed: () => createBreaker({ ...unavailable, ...limits }),
    async health() {
      const states = [...breakers].map(([name, { state }]) => [name, state] as const)
      const isWell = states.every(([, state]) => state === 'closed')
      return { ...Object.fromEntries(states), status: isWell ? 'up' : 'down' }
    },
  }
}

const unavailable = {
  code: 'DEPENDENCY_UNAVAILABLE',
  message: 'Something that this needs does not answer',
} as const

function breakerMetrics(registry: Registry, breakers: ReadonlyMap<string, Breaker>) {
  new Gauge({
    name: 'circuit_breaker_state',
    help: 'Whether a dependency is asked: 0 closed (it is), 1 half-open (one request tries), 2 open (it is not)',
    labelNames: ['name'],
    registers: [registry],
    collect() {
      for (const [name, { state }] of breakers) this.set({ name }, breakerStates.indexOf(state))
    },
  })
  return new Counter({
    name: 'circuit_breaker_transitions_total',
    help: 'How often a breaker went over to a state',
    labelNames: ['name', 'state'],
    registers: [registry],
  })
}
