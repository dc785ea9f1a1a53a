import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { REMOVE_CONSUMER } from '../../../../shared/events/redis/holding-scripts.ts'
import { runScript } from '../../../../shared/events/redis/run-script.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { GROUP, testRedis } from './support/test-redis.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('claiming on Redis', () => {
  const redis = testRedis('claiming')
  const made = (n: number) => ({ n, of: 'wood' })

  test('entries behind many that others keep alive are reached', async () => {
    const { prefix, stream } = redis.newPrefix()
    const { events } = await redis.open({ prefix })
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.push(data.n))
    await redis.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
    await events.publishMany(
      ThingMade,
      Array.from({ length: 2501 }, (_, n) => made(n)),
    )
    await redis.readAs('busy', stream, 2500)
    await redis.readAs('gone', stream, 1)
    const busy = (await redis.client.xpending(stream, GROUP, '-', '+', 2500, 'busy')) as [string][]
    const keep = setInterval(
      () => void redis.client.xclaim(stream, GROUP, 'busy', 0, ...busy.map(([id]) => id), 'JUSTID'),
      20,
    )

    try {
      await events.start()
      await eventually(() => expect(seen).toEqual([2500]))
    } finally {
      clearInterval(keep)
    }
  })

  test('a slow handler keeps its event from being claimed by another process', async () => {
    const { prefix, stream } = redis.newPrefix()
    const calls: string[] = []
    const start = async (consumer: string, ms: number, recoverEveryMs: number) => {
      const { events } = await redis.open({
        prefix,
        blockMs: 50,
        consumer,
        events: { timing: { recoverEveryMs, keepAliveMs: 50 } },
      })
      events.subscribe(ThingMade, { name: 'sub' }, async () => {
        calls.push(consumer)
        await new Promise((resolve) => setTimeout(resolve, ms))
      })
      await events.start()
      return events
    }
    const slow = await start('slow', 1000, 60_000)
    await slow.publish(ThingMade, made(1))
    await eventually(() => expect(calls).toEqual(['slow']))

    await start('other', 0, 20)
    await eventually(async () => expect(await redis.pendingOf(stream)).toBe(0))

    expect(calls).toEqual(['slow'])
  })

  test('a process that lost its event to another can neither retry nor bury it', async () => {
    const { prefix, stream } = redis.newPrefix()
    const { events } = await redis.open({
      prefix,
      keepAliveMs: 60_000,
      events: { timing: { keepAliveMs: 60_000 } },
    })
    const outcomes: string[] = []
    events.subscribe(ThingMade, { name: 'sub', attempts: 1 }, async () => {
      const [[id] = ['']] = (await redis.client.xpending(stream, GROUP, '-', '+', 1)) as [string][]
      await redis.client.xclaim(stream, GROUP, 'thief', 0, id)
      outcomes.push('thrown')
      throw new Error('too late')
    })
    await events.start()

    await events.publish(ThingMade, made(1))

    await eventually(() => expect(outcomes).toEqual(['thrown']))
    await events.close()
    const held = (await redis.client.xpending(stream, GROUP, '-', '+', 10)) as [string, string][]
    expect(held.map(([, consumer]) => consumer)).toEqual(['thief'])
    expect((await events.deadLetters.list('sub')).items).toEqual([])
  })

  test('the entries of a process that vanished are claimed, its empty consumer is removed', async () => {
    const { prefix, stream } = redis.newPrefix()
    const { events } = await redis.open({ prefix })
    const seen: string[] = []
    events.subscribe(
      ThingMade,
      { name: 'sub' },
      ({ data, attempt }) => void seen.push(`${data.n}.${attempt}`),
    )
    await redis.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
    await events.publish(ThingMade, made(1))
    await redis.readAs('gone', stream, 1)

    await events.start()

    await eventually(() => expect(seen).toEqual(['1.2']))
    await eventually(async () => {
      const consumers = (await redis.client.xinfo('CONSUMERS', stream, GROUP)) as string[][]
      expect(consumers.map(([, name]) => name)).toEqual(['process'])
    })
  })

  test('a consumer that still holds entries is never removed', async () => {
    const { prefix, stream } = redis.newPrefix()
    const { events } = await redis.open({ prefix, keepAliveMs: 60_000 })
    events.subscribe(ThingMade, { name: 'sub' }, () => {})
    await redis.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
    await events.publish(ThingMade, made(1))
    await redis.readAs('holder', stream, 1)
    await redis.client.xgroup('CREATECONSUMER', stream, GROUP, 'empty')

    await events.start()

    await eventually(async () => {
      const consumers = (await redis.client.xinfo('CONSUMERS', stream, GROUP)) as string[][]
      expect(consumers.map(([, name]) => name)).not.toContain('empty')
    })
    expect(await runScript(redis.client, REMOVE_CONSUMER, [stream], [GROUP, 'holder'])).toBe(0)
    expect(await redis.pendingOf(stream)).toBe(1)
  })

  test('what is handed back at drain is claimed at once and its delivery does not count', async () => {
    const { prefix, stream } = redis.newPrefix()
    const seen: string[] = []
    const first = await redis.open({ prefix, consumer: 'first', keepAliveMs: 60_000 })
    first.events.subscribe(ThingMade, { name: 'sub', concurrency: 1 }, async ({ data }) => {
      await eventually(() => expect(closing).toBe(true))
      seen.push(`first ${data.n}`)
    })
    let closing = false
    await first.events.start()
    await first.events.publishMany(ThingMade, [made(1), made(2), made(3)])
    await eventually(async () => expect(await redis.pendingOf(stream)).toBe(3))
    closing = true
    await first.events.close()

    const second = await redis.open({ prefix, consumer: 'second', keepAliveMs: 60_000 })
    second.events.subscribe(
      ThingMade,
      { name: 'sub' },
      ({ data, attempt }) => void seen.push(`${data.n}.${attempt}`),
    )
    await second.events.start()

    await eventually(() => expect(seen).toEqual(['first 1', '2.1', '3.1']))
  })
})
