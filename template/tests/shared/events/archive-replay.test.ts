import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@kiln/shared'
import { createEvents } from '../../../../shared/events/client.ts'
import { MemoryBroker } from '../../../../shared/events/memory/streams.ts'
import type { EventArchive } from '../../../../shared/events/outbox.ts'
import { redisTransports } from '../../../../shared/events/redis/transports.ts'
import { memoryReplayJobs } from '../../../../shared/events/replay-jobs.ts'
import type { StoredEntry } from '../../../../shared/events/transport.ts'
import { memoryTransports, type Transports } from '../../../../shared/events/transports.ts'
import { ThingMade, ThingSold } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { archiveOf } from './support/file-archive.ts'
import { hasRedisServer, type RedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(30_000)

const made = (n: number, of = 'wood') => ({ n, of })
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)
const soon = { baseMs: 10, maxMs: 40 }
const timing = { recoverEveryMs: 20, keepAliveMs: 20, replaysEveryMs: 20 }

for (const kind of ['memory', 'redis'] as const) {
  describe.skipIf(kind === 'redis' && !hasRedisServer)(
    `a replay that reaches into the archive, on ${kind}`,
    () => {
      let redis: RedisServer
      let broker: MemoryBroker
      let replays: ReturnType<typeof memoryReplayJobs>
      let prefix: string
      let grounds = 0
      const ends: (() => Promise<unknown>)[] = []

      beforeAll(async () => {
        if (kind === 'redis') redis = await startRedis()
      })
      beforeEach(() => {
        broker = new MemoryBroker()
        replays = memoryReplayJobs()
        prefix = `archive-${++grounds}`
      })
      afterEach(async () => {
        for (const end of ends.splice(0).reverse()) await end()
      })
      afterAll(() => redis?.stop())

      async function transports(): Promise<Transports> {
        const consumer = `process-${crypto.randomUUID()}`
        const opened =
          kind === 'memory'
            ? memoryTransports({ broker, replays, consumer })
            : await redisTransports({
                connect: redis.connect,
                logger: silentLogger,
                consumer,
                prefix,
                keepAliveMs: 30,
                leaseMs: 200,
                blockMs: 50,
              })
        ends.push(() => opened.close())
        return opened
      }

      async function open(archive: EventArchive) {
        const opened = await transports()
        const events = createEvents({
          service: 'archive',
          transports: opened,
          logger: silentLogger,
          timing,
          archive,
        })
        ends.push(() => events.close(1000))
        return events
      }

      /** Publishes so many, keeps them all in an archive, and leaves only the last in the stream. */
      async function publishAndTrim(data: readonly { n: number; of: string }[], left: number) {
        const opened = await transports()
        const events = createEvents({ service: 'archive', transports: opened, logger: silentLogger })
        await events.publishMany(ThingMade, data)
        const kept: readonly StoredEntry[] = await opened.streams.range('thing', '0-0', data.length)
        if (kind === 'redis') await redis.client.xtrim(`${prefix}:{thing}`, 'MAXLEN', left)
        else broker.stream('thing').entries = kept.slice(kept.length - left)
        expect(await opened.streams.range('thing', '0-0', data.length)).toHaveLength(left)
        return kept
      }

      const replayed = (events: Awaited<ReturnType<typeof open>>) =>
        eventually(async () => expect((await events.replays())[0]?.status).toBe('done'), {
          timeoutMs: 15_000,
        })

      test.each([0, 40])('delivers everything in order, %d still in the stream', async (left) => {
        const kept = await publishAndTrim(
          numbers(0, 500).map((n) => made(n)),
          left,
        )
        const events = await open(archiveOf(kept))
        const seen: (readonly [number, string, boolean])[] = []
        events.subscribe(
          ThingMade,
          { name: 'past', replayable: true, ordered: true },
          ({ data, entryId, replay }) => void seen.push([data.n, entryId, replay]),
        )
        await events.start()

        const { total } = await events.replay({ subscription: 'past' })
        await replayed(events)

        expect(total).toBe(500)
        expect(seen).toEqual(kept.map(({ id }, n) => [n, id, true]))
        expect((await events.replays())[0]?.done).toBe(500)
      })

      test('counts what lies in the archive', async () => {
        const kept = await publishAndTrim(
          numbers(0, 30).map((n) => made(n)),
          10,
        )
        const events = await open(archiveOf(kept))
        events.subscribe([ThingMade, ThingSold], { name: 'past', replayable: true }, () => {})
        const count = async (which: object) =>
          (await events.replay({ subscription: 'past', dryRun: true, ...which })).total

        expect(await count({})).toBe(30)
        expect(await count({ last: 5 })).toBe(5)
        expect(await count({ last: 25 })).toBe(25)
        expect(await count({ last: 100 })).toBe(30)
        expect(await count({ maxCount: 15 })).toBe(15)
        expect(await count({ from: kept[12]?.id })).toBe(18)
        expect(await count({ from: kept[25]?.id })).toBe(5)
        expect(await count({ event: ThingSold })).toBe(0)
        expect(await count({ from: new Date(Date.now() + 60_000) })).toBe(0)
        expect(await count({ to: new Date(Date.now() - 60_000) })).toBe(0)
      })

      test('holds a key for its archived event that fails, in the stream too', async () => {
        const data = numbers(0, 60).map((n) => made(n, n % 2 === 0 ? 'wood' : 'iron'))
        const kept = await publishAndTrim(data, 20)
        const events = await open(archiveOf(kept))
        const seen: number[] = []
        const options = { name: 'past', replayable: true, ordered: true, backoff: soon } as const
        events.subscribe(ThingMade, options, ({ data, attempt }) => {
          if ([4, 10, 50].includes(data.n) && attempt < 3) throw new Error('not yet')
          seen.push(data.n)
        })
        await events.start()

        await events.replay({ subscription: 'past' })
        await replayed(events)

        // What was to be tried again may come after the replay has fed its last.
        await eventually(() => expect(seen).toHaveLength(60))
        for (const rest of [0, 1])
          expect(seen.filter((n) => n % 2 === rest)).toEqual(numbers(0, 60).filter((n) => n % 2 === rest))
      })

      test('is fed once by several processes, which all handle', async () => {
        const kept = await publishAndTrim(
          numbers(0, 800).map((n) => made(n)),
          100,
        )
        const seen: number[] = []
        const all = await Promise.all([1, 2, 3].map(() => open(archiveOf(kept))))
        for (const events of all) {
          const options = { name: 'past', replayable: true }
          events.subscribe(ThingMade, options, ({ data }) => void seen.push(data.n))
          await events.start()
        }
        const [first] = all
        if (!first) throw new Error('no process')

        await first.replay({ subscription: 'past' })
        await replayed(first)

        expect(seen.toSorted((a, b) => a - b)).toEqual(numbers(0, 800))
      })

      test('leaves nothing behind when it is cancelled', async () => {
        const kept = await publishAndTrim(
          numbers(0, 500).map((n) => made(n)),
          0,
        )
        const events = await open(archiveOf(kept))
        events.subscribe(ThingMade, { name: 'past', replayable: true }, () => {})
        await events.start()

        const { id } = await events.replay({ subscription: 'past', perSecond: 20 })
        if (kind === 'redis')
          await eventually(async () => expect(await redis.client.keys(`${prefix}:*:fed:*`)).toHaveLength(1))
        await events.cancelReplay(id)
        await events.close(1000)

        if (kind === 'redis')
          await eventually(async () => expect(await redis.client.keys(`${prefix}:*${id}*`)).toEqual([]))
        expect((await events.replays())[0]?.status).toBe('cancelled')
      })

      // What is in memory does not outlive its process.
      if (kind === 'redis')
        test('goes on where it was when its process is killed', async () => {
          const kept = await publishAndTrim(
            numbers(0, 500).map((n) => made(n)),
            50,
          )
          const file = join(tmpdir(), `archive-${crypto.randomUUID()}.json`)
          await Bun.write(file, JSON.stringify(kept))
          ends.push(() => rm(file))
          const events = await open(archiveOf(kept))
          const handle = async ({ data }: { data: { n: number } }) => {
            await redis.client.rpush(`${prefix}:handled`, data.n)
          }
          events.subscribe(ThingMade, { name: 'past', replayable: true, ordered: true }, handle)
          await events.replay({ subscription: 'past' })
          const cmd = [
            process.execPath,
            `${import.meta.dir}/support/dying-replayer.ts`,
            `${redis.port}`,
            prefix,
            file,
            '220',
          ]
          const child = Bun.spawn({ cmd, stdout: 'ignore', stderr: 'inherit' })
          await child.exited
          expect(child.signalCode).toBe('SIGKILL')

          await events.start()
          await replayed(events)

          const handled = (await redis.client.lrange(`${prefix}:handled`, 0, -1)).map(Number)
          expect([...new Set(handled)]).toEqual(numbers(0, 500))
          expect(handled.length).toBeLessThan(500 + 220)
        })
    },
  )
}
