import { describe, expect, test } from 'bun:test'
import { BrokenCircuit, createBreakers } from '@kiln/shared/resilience'
import { eventually } from '@kiln/shared/testing'
import { Registry } from 'prom-client'

function openBreaker({ failures = 2, openMs = 20 } = {}) {
  const registry = new Registry()
  const seen: string[] = []
  const changed = (name: string, state: string) => seen.push(`${name} ${state}`)
  const breakers = createBreakers({ breakerFailures: failures, breakerOpenMs: openMs, registry, changed })
  const breaker = breakers.of('billing')
  const isAdmitted = () => {
    try {
      breaker.admit()
      return true
    } catch (error) {
      expect(error).toBeInstanceOf(BrokenCircuit)
      return false
    }
  }
  return { breaker, breakers, isAdmitted, registry, seen }
}

async function openUp({ breaker }: Pick<ReturnType<typeof openBreaker>, 'breaker'>, failures = 2) {
  for (let count = 0; count < failures; count += 1) breaker.failed(new Error('away'))
  await eventually(() => expect(breaker.state).toBe('open'))
}

describe('a breaker', () => {
  test('opens after failures in a row, and says so with a code and when to come again', async () => {
    const { breaker } = openBreaker({ openMs: 1500 })

    await openUp({ breaker })

    expect(() => breaker.admit()).toThrow(
      expect.objectContaining({
        code: 'DEPENDENCY_UNAVAILABLE',
        headers: { 'retry-after': '2' },
        cause: new Error('away'),
      }),
    )
  })

  test('forgets failures with every success', async () => {
    const { breaker, seen } = openBreaker()
    // A failure is counted once its promise is settled.
    const settled = () => new Promise((resolve) => setTimeout(resolve))

    for (let count = 0; count < 3; count += 1) {
      breaker.failed(new Error('away'))
      await settled()
      breaker.succeeded()
    }
    await settled()

    expect(breaker.state).toBe('closed')
    expect(seen).toEqual([])
  })

  test('lets one through after its time, and all when that one succeeds', async () => {
    const opened = openBreaker()
    await openUp(opened)

    await eventually(() => expect(opened.isAdmitted()).toBe(true), { everyMs: 1 })
    const meanwhile = [opened.isAdmitted(), opened.isAdmitted()]
    opened.breaker.succeeded()
    await eventually(() => expect(opened.breaker.state).toBe('closed'))

    expect(meanwhile).toEqual([false, false])
    expect([opened.isAdmitted(), opened.isAdmitted()]).toEqual([true, true])
    expect(opened.seen).toEqual(['billing open', 'billing half-open', 'billing closed'])
  })

  test.each(['failed', 'undecided'] as const)('opens again when that one has %s', async (outcome) => {
    const opened = openBreaker()
    await openUp(opened)
    await eventually(() => expect(opened.isAdmitted()).toBe(true), { everyMs: 1 })

    opened.breaker[outcome](new Error('still away'))

    await eventually(() => expect(opened.breaker.state).toBe('open'))
    expect(opened.seen).toEqual(['billing open', 'billing half-open', 'billing open'])
  })

  test('shows its state in health and metrics, whatever it stands before', async () => {
    const opened = openBreaker({ openMs: 60_000 })
    const before = await opened.breakers.health()

    await openUp(opened)

    expect(before).toEqual({ status: 'up', database: 'closed', redis: 'closed', billing: 'closed' })
    expect(await opened.breakers.health()).toMatchObject({ status: 'down', billing: 'open' })
    const metrics = await opened.registry.metrics()
    expect(metrics).toContain('circuit_breaker_state{name="billing"} 2')
    expect(metrics).toContain('circuit_breaker_state{name="database"} 0')
    expect(metrics).toContain('circuit_breaker_transitions_total{name="billing",state="open"} 1')
    expect(metrics).toContain('circuit_breaker_transitions_total{name="billing",state="closed"} 0')
  })
})
