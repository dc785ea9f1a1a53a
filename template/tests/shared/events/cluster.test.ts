import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { PermanentError } from '../../../../shared/events/errors.ts'
import { tagsOf } from '../../../../shared/events/tags.ts'
import { ThingMade, ThingShouted } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { openEvents } from './support/open-events.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { startCluster, type Topology } from './support/topologies.ts'

setDefaultTimeout(40_000)

const SOON = { baseMs: 20, maxMs: 50 }
const shards = { thing: 8 }
const numbers = Array.from({ length: 80 }, (_, n) => n)
const made = (n: number) => ({ n, of: `key-${n % 40}` })

describe.skipIf(!hasRedisServer)('on a cluster of three nodes', () => {
  let cluster: Topology
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster?.stop())

  /** How many of a prefix's streams each node holds. */
  async function streamsByNode(prefix: string): Promise<readonly number[]> {
    const streams = tagsOf('thing', shards).map((tag) => `${prefix}:{${tag}}`)
    return Promise.all(
      cluster.servers.map(
        async ({ client }) => (await client.keys('*')).filter((key) => streams.includes(key)).length,
      ),
    )
  }

  test('a sharded, ordered subscription is retried, buried, redriven and replayed, whichever node holds the shard', async () => {
    const { events, end } = await openEvents(cluster, { prefix: 'sharded', events: { shards } })
    const seen: number[] = []
    const replayed: number[] = []
    const failed = new Set<number>()
    const options = { name: 'sub', ordered: true, replayable: true, backoff: SOON }
    events.subscribe(ThingMade, options, ({ data, replay, redelivered }) => {
      if (replay) return void replayed.push(data.n)
      if (data.n % 20 === 3 && !redelivered) throw new PermanentError('never')
      if (data.n % 7 === 0 && !failed.has(data.n)) {
        failed.add(data.n)
        throw new Error('once')
      }
      seen.push(data.n)
    })
    await events.start()

    await events.publishMany(ThingMade, numbers.map(made))
    const alive = numbers.filter((n) => n % 20 !== 3)
    await eventually(() => expect(seen.toSorted((a, b) => a - b)).toEqual(alive), { timeoutMs: 15_000 })
    const { items } = await events.deadLetters.list('sub')
    await events.deadLetters.redrive('sub', {}, { by: 'test' })
    await eventually(() => expect(seen.toSorted((a, b) => a - b)).toEqual(numbers))
    await events.replay({ subscription: 'sub' })

    await eventually(() => expect(replayed.toSorted((a, b) => a - b)).toEqual(numbers), { timeoutMs: 20_000 })
    expect(items).toHaveLength(4)
    for (const n of alive.filter((n) => n >= 40 && alive.includes(n - 40))) {
      expect(seen.indexOf(n - 40)).toBeLessThan(seen.indexOf(n))
    }
    expect((await streamsByNode('sharded')).every((count) => count > 0)).toBe(true)
    await end()
  })

  test('a node that is killed and comes back costs no confirmed event, and nothing is sent twice', async () => {
    const { events, transports, end } = await openEvents(cluster, {
      prefix: 'killed',
      timeoutMs: 1000,
      blockMs: 200,
      events: { shards },
    })
    const seen = new Set<number>()
    events.subscribe(ThingMade, { name: 'sub' }, ({ data }) => void seen.add(data.n))
    await events.start()
    const confirmed: number[] = []
    const publish = async (n: number) => {
      await events.publish(ThingMade, made(n), { id: `${n}` }).then(
        () => confirmed.push(n),
        () => {},
      )
    }

    for (let n = 0; n < 200; n++) {
      if (n === 50) await Promise.all([publish(1000), cluster.servers[1]?.kill()])
      if (n === 60) await cluster.servers[1]?.restart()
      await publish(n)
    }
    await eventually(
      async () => {
        await publish(2000)
        for (const n of numbers)
          expect((await events.publish(ThingMade, made(n), { id: `last-${n}` })).id).toBe(`last-${n}`)
      },
      { timeoutMs: 15_000 },
    )

    expect(confirmed.length).toBeGreaterThan(120)
    await eventually(() => expect(confirmed.filter((n) => !seen.has(n))).toEqual([]), { timeoutMs: 15_000 })
    const stored = await Promise.all(
      tagsOf('thing', shards).map((tag) => transports.streams.range(tag, '0-0', 10_000)),
    )
    const ids = stored.flat().map(({ fields }) => fields.id ?? '')
    const once = ids.filter((id) => Number(id) < 2000)
    expect(new Set(once).size).toBe(once.length)
    await end()
  })

  test('a broadcast reaches who listens at another node', async () => {
    const here = await openEvents(cluster, { prefix: 'broadcast', consumer: 'here' })
    const there = await openEvents(cluster, { prefix: 'broadcast', consumer: 'there' })
    const heard: string[] = []
    here.events.listen(ThingShouted, ({ data }) => void heard.push(data.words))
    await here.events.start()

    await there.events.publish(ThingShouted, { words: 'hello' })

    await eventually(() => expect(heard).toEqual(['hello']))
    await here.end()
    await there.end()
  })
})
