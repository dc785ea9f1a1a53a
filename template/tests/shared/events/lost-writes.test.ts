import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { enforceRetention } from '../../../../shared/events/redis/retention.ts'
import { memoryStore } from '../../../../shared/events/store.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { type OpenOptions, openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'
import { startCluster } from './support/topologies.ts'

setDefaultTimeout(30_000)

describe.skipIf(!hasRedisServer)('a Redis that may have lost what it acknowledged', () => {
  const made = (n: number) => ({ n, of: 'wood' })
  const ends: (() => Promise<void>)[] = []

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function start(args: readonly string[] = []): Promise<RedisServer> {
    const redis = await startRedis(args)
    ends.push(redis.stop)
    return redis
  }

  async function open(redis: Pick<RedisServer, 'connect'>, options: OpenOptions = {}) {
    const opened = await openEvents(redis, { timeoutMs: 1000, watchEveryMs: 20, ...options })
    ends.push(opened.end)
    return opened
  }

  async function startPair() {
    const master = await start(['--repl-diskless-sync-delay', '0', '--shutdown-timeout', '0'])
    const replica = await start(['--replicaof', '127.0.0.1', `${master.port}`])
    await eventually(async () => {
      await master.client.set('probe', '')
      expect(await master.client.wait(1, 100)).toBe(1)
    })
    return { master, replica }
  }

  /** The moments since which the server was doubted. */
  async function watch(redis: Pick<RedisServer, 'connect'>, options: OpenOptions = {}) {
    const { transports } = await open(redis, options)
    const doubts: number[] = []
    const end = transports.streams.watch((wellAtMs) => doubts.push(wellAtMs))
    ends.push(async () => end())
    return { doubts, end, transports }
  }

  test('is doubted after a connection broke, since it was last known to be well', async () => {
    const redis = await start()
    const startedAtMs = Date.now()
    const { doubts } = await watch(redis)
    const brokenAtMs = Date.now()

    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')

    await eventually(() => expect(doubts.length).toBeGreaterThan(0))
    expect(doubts[0]).toBeGreaterThanOrEqual(startedAtMs)
    expect(doubts[0]).toBeLessThanOrEqual(brokenAtMs + 1000)
  })

  test('is doubted when another process answers at its address', async () => {
    const redis = await start()
    const { doubts } = await watch(redis)
    const killedAtMs = Date.now()
    await redis.kill()
    await redis.restart()

    await eventually(() => expect(doubts.length).toBeGreaterThan(0))

    expect(doubts[0]).toBeLessThanOrEqual(killedAtMs)
  })

  test('is doubted when it was promoted, although no connection broke', async () => {
    const { replica } = await startPair()
    const { doubts } = await watch(replica)
    await eventually(async () =>
      expect(await replica.client.info('commandstats')).toMatch(/cmdstat_info:calls=([4-9]|\d\d)/),
    )
    const before = doubts.length

    await replica.client.call('REPLICAOF', 'NO', 'ONE')

    await eventually(() => expect(doubts.length).toBe(before + 1))
    expect(before).toBe(0)
  })

  test('is doubted when one of its nodes is another process', async () => {
    const cluster = await startCluster()
    ends.push(cluster.stop)
    const { doubts } = await watch(cluster)
    const [node] = cluster.servers
    await node?.kill()
    await node?.restart()

    await eventually(() => expect(doubts.length).toBeGreaterThan(0), { timeoutMs: 20_000 })
  })

  test('is not doubted by who has stopped watching', async () => {
    const redis = await start()
    const { doubts, end, transports } = await watch(redis)
    const others: number[] = []
    const stop = transports.streams.watch((wellAtMs) => others.push(wellAtMs))
    ends.push(async () => stop())
    end()

    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')

    await eventually(() => expect(others.length).toBeGreaterThan(0))
    expect(doubts).toEqual([])
  })

  test('names the entries that are missing, and not those that retention trimmed', async () => {
    const redis = await start()
    const { events, transports } = await open(redis)
    const data = Array.from({ length: 1200 }, (_, n) => made(n))
    const published = await events.publishMany(ThingMade, data)
    const ids = published.map(({ entryId }) => `${entryId}`)
    const lost = [ids[900], ids[1100]].map(String)
    const ask = () => transports.streams.missing('thing', ids)
    const complete = await ask()
    await redis.client.xdel('events:{thing}', ...lost)

    const incomplete = await ask()
    const retention = { redis: redis.client, store: memoryStore(), tags: ['thing'], logger: silentLogger }
    const bytes = Number(await redis.client.call('MEMORY', 'USAGE', 'events:{thing}'))
    const [report] = await enforceRetention({ ...retention, maxBytes: bytes / 2 })
    const trimmed = await ask()
    await redis.client.flushall()

    expect([complete, incomplete]).toEqual([[], lost])
    expect(report?.trimmed).toBeGreaterThan(100)
    expect(trimmed).toEqual(lost)
    expect(await ask()).toEqual(ids)
  })

  test('confirms an event when its replicas have it, and not before', async () => {
    const { master, replica } = await startPair()
    const { events } = await open(master, { waitReplicas: 1 })
    const { events: other } = await open(master, { waitReplicas: 1 })
    await events.publish(ThingMade, made(1))
    const replicated = await replica.client.xlen('events:{thing}')
    replica.signal('SIGSTOP')

    const first = await events.publish(ThingMade, made(2), { id: 'mine' }).catch((error: unknown) => error)
    const again = await other.publish(ThingMade, made(2), { id: 'mine' }).catch((error: unknown) => error)
    replica.signal('SIGCONT')
    const last = await eventually(() => events.publish(ThingMade, made(2), { id: 'mine' }))

    expect(replicated).toBe(1)
    expect([first, again]).toMatchObject([{ code: 'EVENT_NOT_CONFIRMED' }, { code: 'EVENT_NOT_CONFIRMED' }])
    const [, entry] = await replica.client.xrange('events:{thing}', '-', '+')
    expect(entry?.[0]).toBe(`${last.entryId}`)
    expect(await master.client.xlen('events:{thing}')).toBe(2)
  })
})
