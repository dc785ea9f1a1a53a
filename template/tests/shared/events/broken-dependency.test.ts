import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createHttpClient } from '@kiln/shared/http'
import { createBreakers } from '@kiln/shared/resilience'
import { tracedFetch } from '../../../../shared/observability/traced-fetch.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { startOtherServer } from '../http/support/other-server.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { testRedis } from './support/test-redis.ts'

setDefaultTimeout(60_000)

describe.skipIf(!hasRedisServer)('a subscription whose handler calls another service', () => {
  const redis = testRedis('broken-dependency')

  test('pauses while the breaker before that is open, spends no attempts, and goes on', async () => {
    const state = { away: true }
    const server = await startOtherServer((_, response) => response.writeHead(state.away ? 503 : 200).end())
    const opened: string[] = []
    const breakers = createBreakers({
      breakerFailures: 2,
      breakerOpenMs: 50,
      changed: (_, to) => opened.push(to),
    })
    const http = createHttpClient({
      fetch: (given) => tracedFetch(given && { fetch: given }),
      breakers,
      retries: 0,
    })
    const { events } = await redis.open({ prefix: redis.newPrefix().prefix })
    const handled = new Map<number, number>()
    events.subscribe(
      ThingMade,
      { name: 'sub', attempts: 3, concurrency: 1, pauseMs: 50 },
      async ({ data, attempt }) => {
        const { status } = await http(server.url)
        if (status !== 200) throw new Error('away')
        handled.set(data.n, attempt)
      },
    )
    await events.start()

    const things = Array.from({ length: 20 }, (_, n) => ({ n, of: 'wood' }))
    await events.publishMany(ThingMade, things)
    // So often one was tried again: more often than an event has attempts.
    await eventually(() => expect(opened.filter((to) => to === 'half-open').length).toBeGreaterThan(4), {
      timeoutMs: 40_000,
    })
    const [paused] = await events.health()
    const asked = server.requests.length
    state.away = false
    await eventually(() => expect(handled.size).toBe(things.length), { timeoutMs: 40_000 })

    expect(paused).toMatchObject({ dead: 0 })
    expect(asked).toBeLessThan(things.length)
    expect((await events.health())[0]).toMatchObject({ dead: 0 })
    expect(Math.max(...handled.values())).toBeLessThanOrEqual(3)
    expect([...handled.values()].filter((attempt) => attempt === 1).length).toBeGreaterThan(10)
    await server.close()
  })
})
