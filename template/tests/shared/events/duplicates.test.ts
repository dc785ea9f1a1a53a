import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { silentLogger } from '@kiln/shared'
import { millisecondsOf } from '../../../../shared/events/entry-id.ts'
import { appendParts, argumentsOf } from '../../../../shared/events/redis/append-parts.ts'
import { APPEND } from '../../../../shared/events/redis/append-script.ts'
import { tagKeys } from '../../../../shared/events/redis/keys.ts'
import { enforceRetention } from '../../../../shared/events/redis/retention.ts'
import { runScript } from '../../../../shared/events/redis/run-script.ts'
import { memoryStore } from '../../../../shared/events/store.ts'
import type { AppendRun } from '../../../../shared/events/transport.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { type OpenOptions, openEvents } from './support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(30_000)

describe.skipIf(!hasRedisServer)('an event published again, on Redis', () => {
  const MEBIBYTE = 1024 * 1024
  const made = (n: number, of = 'wood') => ({ n, of })
  const idOf = ({ n }: { n: number }) => `id-${n}`

  let shared: RedisServer
  let count = 0
  const ends: (() => Promise<void>)[] = []

  beforeAll(async () => {
    shared = await startRedis()
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  afterAll(() => shared.stop())

  async function open(options: OpenOptions = {}, redis = shared) {
    const prefix = `duplicates-${++count}`
    const opened = await openEvents(redis, { prefix, ...options })
    ends.push(opened.end)
    const stream = `${prefix}:{thing}`
    return { ...opened, prefix, stream, seen: `${stream}:seen`, before: `${stream}:seen:old` }
  }

  async function startOwn(args: readonly string[] = []): Promise<RedisServer> {
    const redis = await startRedis(args)
    ends.push(redis.stop)
    return redis
  }

  async function publishAll(events: Awaited<ReturnType<typeof open>>['events'], total: number) {
    for (let from = 0; from < total; from += 5000) {
      const size = Math.min(5000, total - from)
      await events.publishMany(
        ThingMade,
        Array.from({ length: size }, (_, at) => made(from + at, `of-${at}`)),
      )
    }
  }

  /** An entry as it travels; one that is `broken` has more attributes than the server's scripts can pass on. */
  const entry = (id: string, key: string, broken = false) => [
    ...['specversion', '1.0', 'id', id, 'source', 'test', 'type', 'thing.made', 'partitionkey', key],
    ...(broken ? Array(8000).fill('x') : []),
    ...['data', '{"n":1,"of":"wood"}'],
  ]

  test('a publish that was given up and lands later is not added a second time', async () => {
    const redis = await startOwn()
    const { events, stream } = await open({ timeoutMs: 300 }, redis)
    await events.publish(ThingMade, made(0))
    redis.signal('SIGSTOP')
    const lost = await events.publish(ThingMade, made(1), { id: 'mine' }).catch((error: unknown) => error)
    const repeated = eventually(() => events.publish(ThingMade, made(1), { id: 'mine' }))

    redis.signal('SIGCONT')
    const { entryId } = await repeated

    expect(lost).toMatchObject({ code: 'EVENT_NOT_CONFIRMED' })
    await eventually(async () => expect(await redis.client.xlen(stream)).toBe(2))
    const again = await events.publish(ThingMade, made(1), { id: 'mine' })
    expect(again.entryId).toBe(entryId)
    expect(await redis.client.xlen(stream)).toBe(2)
  })

  test('what a connection had taken when it broke is known when it is published again', async () => {
    const { events, stream } = await open({ timeoutMs: 1000 })
    const data = Array.from({ length: 2000 }, (_, n) => made(n, `of-${n % 7}`))
    const publishing = events.publishMany(ThingMade, data, { idOf }).catch((error: unknown) => error)
    await shared.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await publishing

    await eventually(() => events.publishMany(ThingMade, data, { idOf }))

    const added = await shared.client.xrange(stream, '-', '+')
    const numbers = added.map(([, fields]) => Number(/"n":(\d+)/.exec(fields.join(' '))?.[1]))
    expect(numbers.toSorted((a, b) => a - b)).toEqual(data.map(({ n }) => n))
    const ofOne = numbers.filter((n) => n % 7 === 3)
    expect(ofOne).toEqual(ofOne.toSorted((a, b) => a - b))
  })

  test.each([
    { calls: 'one call', size: 450 },
    { calls: 'several calls of one run', size: 100 },
  ])(
    'no event is added after one of its key that failed, however many are sent in $calls',
    async ({ size }) => {
      const { transports, stream } = await open()
      const keys = ['a', 'b', 'c']
      const entries = Array.from({ length: 450 }, (_, at) => {
        const key = keys[at % 3] ?? ''
        return entry(`${key}-${at}`, key, at === 60 || at === 200)
      })

      const run: AppendRun = new Map()
      const parts = Array.from({ length: Math.ceil(450 / size) }, (_, part) =>
        transports.streams.append('thing', entries.slice(part * size, (part + 1) * size), run),
      )
      const outcomes = (await Promise.all(parts)).flat()

      const failed = outcomes.flatMap((outcome, at) => (outcome.ok ? [] : [{ at, ...outcome }]))
      const expected = entries
        .map((_, at) => at)
        .filter((at) => (at % 3 === 0 ? at >= 60 : at % 3 === 2 && at >= 200))
      expect(failed.map(({ at }) => at)).toEqual(expected)
      expect(new Set(failed.map(({ sent }) => sent))).toEqual(new Set(['no']))
      expect(await shared.client.xlen(stream)).toBe(450 - expected.length)
    },
  )

  test('no event is added when the part of the call that has the one before it was refused', async () => {
    const { stream, prefix } = await open()
    const first = Array.from({ length: 100 }, (_, at) => entry(`first-${at}`, `${at}`))
    const [, second] = appendParts([...first, entry('a', '7'), entry('b', 'new'), entry('c', '7')])
    if (second === undefined) throw new Error('there is only one part')
    const { seen, seenBefore, full, trimmed } = tagKeys(prefix, 'thing')
    const keys = [stream, seen, seenBefore, full, trimmed]
    const args = ['600000', '1000', '1', ...argumentsOf(second)]

    const replies = (await runScript(shared.client, APPEND, keys, args)) as string[]

    const ids = (await shared.client.xrange(stream, '-', '+')).map(([id]) => id)
    expect(replies).toEqual(['-', `${ids[0]}`, '-'])
    expect(ids).toHaveLength(1)
  })

  test('a server that has forgotten the script is sent it again, and the order stays', async () => {
    const { transports, stream } = await open()
    await transports.streams.append('thing', [entry('first', 'a')])
    await shared.client.call('SCRIPT', 'FLUSH')

    const entries = Array.from({ length: 350 }, (_, at) => entry(`${at}`, 'a'))
    const outcomes = await transports.streams.append('thing', entries)

    const ids = (await shared.client.xrange(stream, '-', '+')).slice(1).map(([id]) => id)
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.entryId : ''))).toEqual(ids)
  })

  test('one that is known is confirmed even when the stream is at its cap', async () => {
    const { events, stream } = await open()
    const { entryId } = await events.publish(ThingMade, made(1), { id: 'mine' })
    await shared.client.set(`${stream}:full`, '1')

    const again = await events.publish(ThingMade, made(1), { id: 'mine' })
    const other = await events.publish(ThingMade, made(2)).catch((error: unknown) => error)

    expect(again.entryId).toBe(entryId)
    expect(other).toMatchObject({ code: 'EVENT_STREAM_FULL' })
  })

  test('is known for one window at least, and forgotten after three', async () => {
    const { events, seen, before } = await open({ duplicateWindowMs: 400 })
    const first = await events.publish(ThingMade, made(1), { id: 'mine' })
    const publishedAtMs = performance.now()
    const again = await events.publish(ThingMade, made(1), { id: 'mine' })
    const quick = performance.now() - publishedAtMs < 400

    await eventually(async () => expect(await shared.client.exists(seen, before)).toBe(0))
    const later = await events.publish(ThingMade, made(1), { id: 'mine' })

    if (quick) expect(again.entryId).toBe(first.entryId)
    expect(later.entryId).not.toBe(first.entryId)
  })

  test('a busy stream remembers two generations and no more', async () => {
    const { events, seen, before } = await open({ maxRemembered: 300 })
    await publishAll(events, 1000)
    const last = await events.publish(ThingMade, made(1), { id: 'mine' })
    await publishAll(events, 290)

    const again = await events.publish(ThingMade, made(1), { id: 'mine' })

    expect(again.entryId).toBe(last.entryId)
    const [young, old] = [await shared.client.hlen(seen), await shared.client.hlen(before)]
    expect([young <= 400, old <= 400, young + old >= 300]).toEqual([true, true, true])
  })

  test('what a tag remembers fits into 64 MiB', async () => {
    const { transports, seen } = await open()
    const source = 's'.repeat(27)
    for (let from = 0; from < 20_000; from += 2000) {
      const entries = Array.from({ length: 2000 }, (_, at) => {
        const [id, key] = [crypto.randomUUID(), `${from + at}`]
        return ['id', id, 'source', source, 'partitionkey', key]
      })
      await transports.streams.append('thing', entries)
    }

    const bytes = Number(await shared.client.call('MEMORY', 'USAGE', seen, 'SAMPLES', '0'))

    const each = bytes / (await shared.client.hlen(seen))
    expect((each * 2 * 200_000) / MEBIBYTE).toBeLessThan(64)
  })

  test('one with a very long id is known too', async () => {
    const { events, seen } = await open()
    const id = 'long'.repeat(30)

    const first = await events.publish(ThingMade, made(1), { id })
    const again = await events.publish(ThingMade, made(1), { id })

    expect(again.entryId).toBe(first.entryId)
    expect((await shared.client.hkeys(seen)).map(({ length }) => length)).toEqual([43])
  })

  test('one that the server lost with the end of its file is added again', async () => {
    const redis = await startOwn(['--appendfsync', 'always'])
    const { events, stream, seen } = await open({ timeoutMs: 1000 }, redis)
    await events.publish(ThingMade, made(1), { id: 'kept' })
    const file = await appendOnlyFile(redis)
    const keptBytes = statSync(file).size
    await events.publish(ThingMade, made(2), { id: 'lost' })
    const lostBytes = statSync(file).size - keptBytes
    await redis.kill()
    // In the middle of what the script wrote: after the entry, before its identity.
    truncateSync(file, keptBytes + Math.floor(lostBytes * 0.8))
    await redis.restart()
    await eventually(async () => expect(await redis.client.hkeys(seen)).toEqual(['facts kept']))
    const left = await redis.client.xlen(stream)

    const kept = await eventually(() => events.publish(ThingMade, made(1), { id: 'kept' }))
    const lost = await events.publish(ThingMade, made(2), { id: 'lost' })

    const entries = await redis.client.xrange(stream, '-', '+')
    expect(left).toBe(1)
    expect(entries.map(([id]) => id)).toEqual([`${kept.entryId}`, `${lost.entryId}`])
  })

  test('one whose entry is gone is added again, unless retention trimmed it', async () => {
    const { events, prefix, stream } = await open()
    const old = await events.publish(ThingMade, made(1), { id: 'old' })
    await eventually(() => expect(Date.now()).toBeGreaterThan(millisecondsOf(`${old.entryId}`)))
    const gone = await events.publish(ThingMade, made(2), { id: 'gone' })
    const now = () => millisecondsOf(`${gone.entryId}`) + 7 * 86_400_000
    const options = { redis: shared.client, store: memoryStore(), logger: silentLogger, prefix, now }
    await shared.client.xdel(stream, `${gone.entryId}`)
    await events.publish(ThingMade, made(3))
    await enforceRetention({ ...options, tags: ['thing'] })

    const oldAgain = await events.publish(ThingMade, made(1), { id: 'old' })
    const goneAgain = await events.publish(ThingMade, made(2), { id: 'gone' })

    expect(await shared.client.xrange(stream, '-', `${old.entryId}`)).toEqual([])
    expect(oldAgain.entryId).toBe(old.entryId)
    expect(goneAgain.entryId).not.toBe(gone.entryId)
  })

  test('retention unlinks what nobody asks for any more before it expires', async () => {
    const { events, prefix, seen } = await open({ duplicateWindowMs: 1000 })
    await events.publish(ThingMade, made(1))
    const options = {
      redis: shared.client,
      store: memoryStore(),
      tags: ['thing'],
      logger: silentLogger,
      prefix,
    }

    await enforceRetention({ ...options, duplicateWindowMs: 1 })
    const young = await shared.client.exists(seen)
    await enforceRetention({ ...options, duplicateWindowMs: 3000 })

    expect(young).toBe(1)
    expect(await shared.client.exists(seen)).toBe(0)
  })
})

async function appendOnlyFile({ client }: RedisServer): Promise<string> {
  const [, folder = ''] = (await client.config('GET', 'dir')) as string[]
  const [, name = ''] = (await client.config('GET', 'appenddirname')) as string[]
  const file = readdirSync(join(folder, name)).find((one) => one.endsWith('.incr.aof'))
  return join(folder, name, file ?? '')
}
