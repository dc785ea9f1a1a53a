import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(30_000)

describe.skipIf(!hasRedisServer)('a crash of a process on Redis', () => {
  let redis: RedisServer

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  async function runUntilItEnds(prefix: string): Promise<number> {
    const script = `${import.meta.dir}/support/crashing-process.ts`
    const child = Bun.spawn({
      cmd: [process.execPath, script, `${redis.port}`, prefix],
      stdout: 'ignore',
      stderr: 'inherit',
    })
    return child.exited
  }

  test('an event that kills its process is one dead letter, its neighbours are untouched', async () => {
    const prefix = 'crash'
    const { events, end } = await openEvents(redis, { prefix, events: { service: 'crash' } })
    await events.publishMany(
      ThingMade,
      Array.from({ length: 60 }, (_, n) => ({ n, of: `key-${n}` })),
    )

    const exits: number[] = []
    while (exits.at(-1) !== 0 && exits.length < 10) exits.push(await runUntilItEnds(prefix))

    expect(exits).toEqual([13, 13, 13, 13, 0])
    const { items } = await events.deadLetters.list('sub')
    expect(items.map(({ reason, fields }) => [reason, fields.data])).toEqual([
      ['EVENT_CRASHED', '{"n":13,"of":"key-13"}'],
    ])
    const handled = new Set(await redis.client.lrange(`${prefix}:handled`, 0, -1))
    expect(handled.size).toBe(59)
    await end()
  })
})
