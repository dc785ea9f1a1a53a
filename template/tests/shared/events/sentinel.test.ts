import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { openEvents } from './support/open-events.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { startSentinel } from './support/topologies.ts'

setDefaultTimeout(60_000)

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)
const made = (n: number) => ({ n, of: 'wood' })

describe.skipIf(!hasRedisServer)('behind a sentinel', () => {
  let sentinel: Awaited<ReturnType<typeof startSentinel>>
  beforeAll(async () => {
    sentinel = await startSentinel()
  })
  afterAll(() => sentinel?.stop())

  test('publishing and consuming go on with the promoted replica, and nothing replicated is lost', async () => {
    const { events, end } = await openEvents(sentinel, { timeoutMs: 2000, blockMs: 200 })
    const seen = new Set<number>()
    let stuck = true
    events.subscribe(ThingMade, { name: 'sub', concurrency: 8 }, async ({ data }) => {
      while (stuck && data.n >= 50) await new Promise((resolve) => setTimeout(resolve, 10))
      seen.add(data.n)
    })
    await events.start()
    await events.publishMany(ThingMade, numbers(0, 100).map(made))
    await eventually(() => expect(seen.size).toBe(50))
    const [master, replica] = sentinel.servers
    await eventually(async () => expect(await offsetOf(replica)).toBe(await offsetOf(master)))

    await sentinel.failOver()
    stuck = false
    for (const n of numbers(100, 120)) {
      await eventually(() => events.publish(ThingMade, made(n), { id: `after-${n}` }), { timeoutMs: 15_000 })
    }

    await eventually(() => expect(numbers(0, 120).filter((n) => !seen.has(n))).toEqual([]), {
      timeoutMs: 15_000,
    })
    await eventually(async () =>
      expect((await events.health())[0]).toMatchObject({ pending: 0, lag: 0, dead: 0 }),
    )
    expect(await replica?.client.xlen('events:{thing}')).toBeGreaterThanOrEqual(120)
    await end()
  })

  async function offsetOf(server = sentinel.servers[0]): Promise<string | undefined> {
    const info = await server?.client.info('replication')
    return /(?:master_repl_offset|slave_repl_offset):(\d+)/.exec(info ?? '')?.[1]
  }
})
