import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { GROUP, testRedis } from './support/test-redis.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('recovery on Redis', () => {
  const redis = testRedis('recovery')
  const made = (n: number) => ({ n, of: 'wood' })

  test('what was given to a connection that broke is found after the reconnect', async () => {
    const { prefix, stream } = redis.newPrefix()
    const { events } = await redis.open({
      prefix,
      keepAliveMs: 60_000,
      events: { timing: { recoverEveryMs: 60_000 } },
    })
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.push(data.n))
    await events.start()
    await events.publish(ThingMade, made(1))
    await eventually(() => expect(seen).toEqual([1]))

    // The script runs whole, so the waiting read cannot have the entry first.
    await redis.client.eval(
      `redis.call('XADD', KEYS[1], '*', 'specversion', '1.0', 'id', 'x', 'source', 's', 'type', 'thing.made', 'data', '{"n":2,"of":"a"}')
     redis.call('XREADGROUP', 'GROUP', '${GROUP}', 'process', 'STREAMS', KEYS[1], '>')`,
      1,
      stream,
    )
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')

    await eventually(() => expect(seen).toEqual([1, 2]))
    await eventually(async () => expect(await redis.pendingOf(stream)).toBe(0))
  })

  test('entries trimmed while pending are counted as lost', async () => {
    const { prefix, stream } = redis.newPrefix()
    const lost: unknown[] = []
    const { events } = await redis.open({
      prefix,
      events: { observer: { entriesLost: (where) => void lost.push(where) } },
    })
    events.subscribe(ThingMade, { name: 'sub', from: 'beginning' }, () => {})
    await redis.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
    await events.publishMany(ThingMade, [made(1), made(2)])
    await redis.readAs('gone', stream, 2)
    await redis.client.xtrim(stream, 'MAXLEN', 0)

    await events.start()

    await eventually(() => expect(lost).toEqual([{ tag: 'thing', group: GROUP, count: 2 }]))
    expect(await redis.pendingOf(stream)).toBe(0)
  })

  test('a failed event that was trimmed meanwhile still reaches the dead letters', async () => {
    const { prefix, stream } = redis.newPrefix()
    const { events } = await redis.open({ prefix })
    events.subscribe(ThingMade, { name: 'sub', attempts: 1 }, async () => {
      await redis.client.xtrim(stream, 'MAXLEN', 0)
      throw new Error('too late')
    })
    await events.start()

    await events.publish(ThingMade, made(1))

    const { items } = await eventually(async () => {
      const page = await events.deadLetters.list('sub')
      expect(page.items).toHaveLength(1)
      return page
    })
    expect(items[0]?.fields.data).toBe('{"n":1,"of":"wood"}')
  })
})
