import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { REMOVE_CONSUMER } from '../../../shared/events/redis/holding-scripts.ts'
import { runScript } from '../../../shared/events/redis/run-script.ts'
import { ThingMade } from '../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../shared/testing/eventually.ts'
import { type OpenOptions, openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('recovery on Redis', () => {
  const GROUP = 'facts.sub'
  const made = (n: number) => ({ n, of: 'wood' })

  let redis: RedisServer
  let count = 0
  const ends: (() => Promise<void>)[] = []

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  afterAll(() => redis.stop())

  function newPrefix(): { prefix: string; stream: string } {
    const prefix = `recovery-${++count}`
    return { prefix, stream: `${prefix}:{thing}` }
  }

  async function open(options: OpenOptions) {
    const opened = await openEvents(redis, options)
    ends.push(opened.end)
    return opened
  }

  async function readAs(consumer: string, stream: string, max: number): Promise<void> {
    await redis.client.xreadgroup('GROUP', GROUP, consumer, 'COUNT', max, 'STREAMS', stream, '>')
  }

  async function pendingOf(stream: string): Promise<number> {
    const [pending] = (await redis.client.xpending(stream, GROUP)) as [number]
    return pending
  }

  test('what was given to a connection that broke is found after the reconnect', async () => {
    const { prefix, stream } = newPrefix()
    const { events } = await open({
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
    await eventually(async () => expect(await pendingOf(stream)).toBe(0))
  })

  test('entries trimmed while pending are counted as lost', async () => {
    const { prefix, stream } = newPrefix()
    const lost: unknown[] = []
    const { events } = await open({
      prefix,
      events: { observer: { entriesLost: (where) => void lost.push(where) } },
    })
    events.subscribe(ThingMade, { name: 'sub', from: 'beginning' }, () => {})
    await redis.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
    await events.publishMany(ThingMade, [made(1), made(2)])
    await readAs('gone', stream, 2)
    await redis.client.xtrim(stream, 'MAXLEN', 0)

    await events.start()

    await eventually(() => expect(lost).toEqual([{ tag: 'thing', group: GROUP, count: 2 }]))
    expect(await pendingOf(stream)).toBe(0)
  })

  test('a failed event that was trimmed meanwhile still reaches the dead letters', async () => {
    const { prefix, stream } = newPrefix()
    const { events } = await open({ prefix })
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

  test('entries behind many that others keep alive are reached', async () => {
    const { prefix, stream } = newPrefix()
    const { events } = await open({ prefix })
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.push(data.n))
    await redis.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
    await events.publishMany(
      ThingMade,
      Array.from({ length: 2501 }, (_, n) => made(n)),
    )
    await readAs('busy', stream, 2500)
    await readAs('gone', stream, 1)
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
    const { prefix, stream } = newPrefix()
    const calls: string[] = []
    const start = async (consumer: string, ms: number, recoverEveryMs: number) => {
      const { events } = await open({
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
    await eventually(async () => expect(await pendingOf(stream)).toBe(0))

    expect(calls).toEqual(['slow'])
  })

  test('a process that lost its event to another can neither retry nor bury it', async () => {
    const { prefix, stream } = newPrefix()
    const { events } = await open({
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
    const { prefix, stream } = newPrefix()
    const { events } = await open({ prefix })
    const seen: string[] = []
    events.subscribe(
      ThingMade,
      { name: 'sub' },
      ({ data, attempt }) => void seen.push(`${data.n}.${attempt}`),
    )
    await redis.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
    await events.publish(ThingMade, made(1))
    await readAs('gone', stream, 1)

    await events.start()

    await eventually(() => expect(seen).toEqual(['1.2']))
    await eventually(async () => {
      const consumers = (await redis.client.xinfo('CONSUMERS', stream, GROUP)) as string[][]
      expect(consumers.map(([, name]) => name)).toEqual(['process'])
    })
  })

  test('a consumer that still holds entries is never removed', async () => {
    const { prefix, stream } = newPrefix()
    const { events } = await open({ prefix, keepAliveMs: 60_000 })
    events.subscribe(ThingMade, { name: 'sub' }, () => {})
    await redis.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM')
    await events.publish(ThingMade, made(1))
    await readAs('holder', stream, 1)
    await redis.client.xgroup('CREATECONSUMER', stream, GROUP, 'empty')

    await events.start()

    await eventually(async () => {
      const consumers = (await redis.client.xinfo('CONSUMERS', stream, GROUP)) as string[][]
      expect(consumers.map(([, name]) => name)).not.toContain('empty')
    })
    expect(await runScript(redis.client, REMOVE_CONSUMER, [stream], [GROUP, 'holder'])).toBe(0)
    expect(await pendingOf(stream)).toBe(1)
  })

  test('what is handed back at drain is claimed at once and its delivery does not count', async () => {
    const { prefix, stream } = newPrefix()
    const seen: string[] = []
    const first = await open({ prefix, consumer: 'first', keepAliveMs: 60_000 })
    first.events.subscribe(ThingMade, { name: 'sub', concurrency: 1 }, async ({ data }) => {
      await eventually(() => expect(closing).toBe(true))
      seen.push(`first ${data.n}`)
    })
    let closing = false
    await first.events.start()
    await first.events.publishMany(ThingMade, [made(1), made(2), made(3)])
    await eventually(async () => expect(await pendingOf(stream)).toBe(3))
    closing = true
    await first.events.close()

    const second = await open({ prefix, consumer: 'second', keepAliveMs: 60_000 })
    second.events.subscribe(
      ThingMade,
      { name: 'sub' },
      ({ data, attempt }) => void seen.push(`${data.n}.${attempt}`),
    )
    await second.events.start()

    await eventually(() => expect(seen).toEqual(['first 1', '2.1', '3.1']))
  })
})
