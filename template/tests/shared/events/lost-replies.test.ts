import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { MOVE } from '../../../../shared/events/redis/scripts.ts'
import type { Connect } from '../../../../shared/index.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { testRedis } from './support/test-redis.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('replies that do not arrive', () => {
  const redis = testRedis('lost-replies')

  /** Connections that do what they are asked, but lose the reply of the first move. */
  function losingFirstMove(connect: Connect): Connect {
    let lost = false
    return (purpose, options) => {
      const client = connect(purpose, options)
      for (const name of ['eval', 'evalsha'] as const) {
        const run = client[name].bind(client) as (...args: unknown[]) => Promise<unknown>
        Object.assign(client, {
          [name]: async (...args: unknown[]) => {
            const reply = await run(...args)
            if (lost || (args[0] !== MOVE.sha && args[0] !== MOVE.source)) return reply
            lost = true
            throw new Error('Connection is closed.')
          },
        })
      }
      return client
    }
  }

  test('an event that fails holds its key although the reply that it was moved is lost', async () => {
    const { prefix } = redis.newPrefix()
    const { events } = await redis.open({ prefix, connect: losingFirstMove(redis.connect) })
    const handled: number[] = []
    const backoff = { baseMs: 500, maxMs: 500 }
    events.subscribe(
      ThingMade,
      { name: 'sub', from: 'beginning', ordered: true, backoff },
      ({ data, attempt }) => {
        if (data.n === 1 && attempt === 1) throw new Error('not yet')
        handled.push(data.n)
      },
    )
    await events.publishMany(
      ThingMade,
      [1, 2, 3].map((n) => ({ n, of: 'wood' })),
    )

    await events.start()

    await eventually(() => expect(handled).toHaveLength(3))
    expect(handled).toEqual([1, 2, 3])
  })
})
