import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { sql } from 'kysely'
import { createEvents } from '../../../../shared/events/client.ts'
import { toStructured } from '../../../../shared/events/envelope.ts'
import { BatchError, PermanentError } from '../../../../shared/events/errors.ts'
import type { Inbox } from '../../../../shared/events/inbox.ts'
import type { Outcome } from '../../../../shared/events/observer.ts'
import type { Outbox } from '../../../../shared/events/outbox.ts'
import { memoryTransports } from '../../../../shared/events/transports.ts'
import { postgresInbox } from '../../../../shared/postgres/inbox.ts'
import { ThingMade, ThingSold } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { hasRedisServer } from './support/redis-server.ts'
import {
  type Options,
  openGround,
  type TransactionalGround,
  type Trx,
} from './support/transactional-ground.ts'

setDefaultTimeout(30_000)

const made = (n: number) => ({ n, of: 'wood' })
const soon = { baseMs: 10, maxMs: 40 }
const transactional = true

/** Notes the effect of an event, as a handler would. */
const note = (trx: Trx, { id, data }: { readonly id: string; readonly data: { readonly n: number } }) =>
  trx.insertInto('effects').values({ event_id: id, n: data.n }).execute()

for (const kind of ['memory', 'redis'] as const) {
  describe.skipIf(kind === 'redis' && !hasRedisServer)(`a transactional subscription on ${kind}`, () => {
    let ground: TransactionalGround
    let outcomes: Outcome[]
    const ends: (() => Promise<void>)[] = []

    beforeAll(async () => {
      ground = await openGround(kind)
    })
    beforeEach(async () => {
      for (const end of ends.splice(0)) await end()
      await sql`truncate effects, inbox`.execute(ground.db)
      outcomes = []
    })
    afterAll(async () => {
      for (const end of ends) await end()
      await ground.close()
    })

    async function open(options: Options = {}, prefix?: string) {
      const observer = { consumed: ({ outcome }: { outcome: Outcome }) => void outcomes.push(outcome) }
      const { events, end } = await ground.open({ observer, ...options }, prefix)
      ends.push(end)
      return events
    }
    const effects = async () => {
      const rows = await ground.db.selectFrom('effects').select('n').orderBy('n').execute()
      return rows.map(({ n }) => n)
    }

    test('keeps what its handler wrote and that it was handled', async () => {
      const events = await open()
      events.subscribe(ThingMade, { name: 'kept', transactional }, (event, { trx }) => note(trx, event))
      await events.start()

      const { id } = await events.publish(ThingMade, made(1))

      await eventually(() => expect(outcomes).toEqual(['done']))
      expect(await effects()).toEqual([1])
      const { rows } = await sql`select group_name, source, event_id from inbox`.execute(ground.db)
      expect(rows).toEqual([{ group_name: 'ground.kept', source: 'ground', event_id: id }])
    })

    test('has one effect of an event whose commit was kept and whose answer was lost', async () => {
      const kept = postgresInbox(ground.db)
      let commits = 0
      const inbox: Inbox<Trx> = {
        ...kept,
        async handle(...given) {
          await kept.handle(...given)
          if (++commits === 1) throw new Error('the answer was lost')
        },
      }
      const events = await open({ inbox })
      const options = { name: 'lost', transactional, backoff: soon } as const
      events.subscribe(ThingMade, options, (event, { trx }) => note(trx, event))
      await events.start()

      await events.publish(ThingMade, made(1))

      await eventually(() => expect(outcomes).toEqual(['retried', 'duplicate']))
      expect(await effects()).toEqual([1])
      await eventually(async () => expect((await events.health())[0]).toMatchObject({ pending: 0, due: 0 }))
    })

    test('leaves no write of a handler that throws, and retries it', async () => {
      const events = await open()
      events.subscribe(
        ThingMade,
        { name: 'thrown', transactional, attempts: 3, backoff: soon },
        async (event, { trx }) => {
          await note(trx, event)
          if (event.data.n === 2) throw new PermanentError('never')
          if (event.attempt < 3) throw new Error('not yet')
        },
      )
      await events.start()

      await events.publishMany(ThingMade, [made(1), made(2)])

      await eventually(() => expect(outcomes.toSorted()).toEqual(['dead', 'done', 'retried', 'retried']))
      expect(await effects()).toEqual([1])
      const { items } = await events.deadLetters.list('thrown')
      expect(items.map(({ reason }) => reason)).toEqual(['permanent'])
    })

    test('rolls back at the timeout, and refuses what the handler asks after it', async () => {
      const events = await open()
      const asked: unknown[] = []
      events.subscribe(
        ThingMade,
        { name: 'slow', transactional, timeoutMs: 1000, backoff: soon },
        async (event, { trx, signal }) => {
          await note(trx, event)
          if (event.attempt > 1) return
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          // Queued before, during and after the rollback.
          for (let tries = 0; tries < 20; tries++) {
            asked.push(await note(trx, event).catch((error: Error) => error.message))
            await new Promise((resolve) => setTimeout(resolve, 1))
          }
        },
      )
      await events.start()

      await events.publish(ThingMade, made(1))

      await eventually(() => expect(outcomes).toEqual(['retried', 'done']))
      await eventually(() => expect(asked).toHaveLength(20))
      expect(asked.at(-1)).toBe('Transaction is already rolled back')
      expect(await effects()).toEqual([1])
    })

    test('rolls back what still runs at the deadline of a shutdown', async () => {
      const events = await open()
      const begun = Promise.withResolvers<void>()
      events.subscribe(ThingMade, { name: 'shut', transactional }, async (event, { trx }) => {
        await note(trx, event)
        begun.resolve()
        await new Promise(() => {})
      })
      await events.start()
      await events.publish(ThingMade, made(1))
      await begun.promise

      expect(await events.close(50)).toEqual(['thing.made'])

      const inTransaction = sql`select 1 from pg_stat_activity where datname = current_database() and state like 'idle in%'`
      await eventually(async () => expect((await inTransaction.execute(ground.db)).rows).toEqual([]))
      expect(await effects()).toEqual([])
    })

    test('halves a batch until the culprit stands alone, each half a transaction', async () => {
      const events = await open()
      events.subscribeBatch(
        ThingMade,
        { name: 'halved', transactional, attempts: 1 },
        async (batch, { trx }) => {
          for (const event of batch) await note(trx, event)
          if (batch.some(({ data }) => data.n === 13)) throw new Error(`13 among ${batch.length}`)
        },
      )
      await events.start()

      await events.publishMany(
        ThingMade,
        Array.from({ length: 30 }, (_, n) => made(n)),
      )

      await eventually(() => expect(outcomes).toHaveLength(30))
      expect(await effects()).toEqual(Array.from({ length: 30 }, (_, n) => n).filter((n) => n !== 13))
      const { items } = await events.deadLetters.list('halved')
      expect(items.map(({ error }) => error)).toEqual(['13 among 1'])
    })

    test('handles a batch again without the culprits it named', async () => {
      const events = await open()
      events.subscribeBatch(
        ThingMade,
        { name: 'named', transactional, backoff: soon },
        async (batch, { trx }) => {
          for (const event of batch) await note(trx, event)
          const odd = batch.filter(({ data, attempt }) => data.n % 2 === 1 && attempt === 1)
          if (odd.length > 0) throw new BatchError(odd.map(({ id }) => ({ id, error: new Error('odd') })))
        },
      )
      await events.start()

      await events.publishMany(ThingMade, [made(1), made(2), made(3), made(4)])

      await eventually(() => expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(4))
      expect(await effects()).toEqual([1, 2, 3, 4])
      expect(outcomes.filter((outcome) => outcome === 'retried')).toHaveLength(2)
    })

    test('splits a batch that names culprits it does not have', async () => {
      const events = await open()
      const options = { name: 'nobody', transactional, attempts: 1 } as const
      events.subscribeBatch(ThingMade, options, async (batch, { trx }) => {
        for (const event of batch) await note(trx, event)
        if (batch.some(({ data }) => data.n === 1)) throw new BatchError([{ id: 'unknown', error: 'none' }])
      })
      await events.start()

      await events.publishMany(ThingMade, [made(1), made(2), made(3)])

      await eventually(() => expect(outcomes.toSorted()).toEqual(['dead', 'done', 'done']))
      expect(await effects()).toEqual([2, 3])
    })

    test('publishes what its handler publishes with the transaction, or nothing of it', async () => {
      await sql`create table if not exists sent (event json not null)`.execute(ground.db)
      const outbox: Outbox<Trx> = {
        async add(trx, added) {
          for (const event of added) {
            await sql`insert into sent values (${toStructured(event)})`.execute(trx)
          }
        },
      }
      const events = await open({ outbox })
      const options = { name: 'publishes', transactional, backoff: soon } as const
      events.subscribe(ThingMade, options, async ({ data, attempt }, { trx }) => {
        await events.publish(ThingSold, made(data.n), { trx })
        if (attempt === 1) throw new Error('once')
      })
      await events.start()

      await events.publish(ThingMade, made(1))

      await eventually(() => expect(outcomes).toEqual(['retried', 'done']))
      const { rows } = await sql`select count(*)::int as sent from sent`.execute(ground.db)
      expect(rows).toEqual([{ sent: 1 }])
    })

    test('is handled again by a replay, once for each', async () => {
      const events = await open()
      const options = { name: 'replayed', transactional, replayable: true } as const
      events.subscribe(ThingMade, options, (event, { trx }) => note(trx, event))
      await events.start()
      await events.publish(ThingMade, made(1))
      await eventually(() => expect(outcomes).toEqual(['done']))

      for (const times of [2, 3]) {
        await events.replay({ subscription: 'replayed' })

        await eventually(async () =>
          expect((await events.replays())[0]).toMatchObject({ status: 'done', done: 1 }),
        )
        expect(await effects()).toHaveLength(times)
      }
    })

    test('is handled again when it failed in a replay and is redriven', async () => {
      const events = await open()
      const options = { name: 'redriven', transactional, replayable: true, attempts: 1 } as const
      events.subscribe(ThingMade, options, async (event, { trx }) => {
        await note(trx, event)
        if (event.replay && !event.redelivered) throw new Error('only in replay')
      })
      await events.start()
      await events.publish(ThingMade, made(1))
      await eventually(() => expect(outcomes).toEqual(['done']))
      await events.replay({ subscription: 'redriven' })
      await eventually(async () => expect((await events.deadLetters.list('redriven')).items).toHaveLength(1))

      await events.deadLetters.redrive('redriven', {}, { by: 'test' })

      await eventually(() => expect(outcomes).toEqual(['done', 'dead', 'done']))
      expect(await effects()).toEqual([1, 1])
    })

    // What is in memory does not outlive its process.
    if (kind === 'redis')
      test('has one effect of an event whose process was killed between commit and acknowledgement', async () => {
        const publisher = await open({}, 'killed')
        const published = await publisher.publishMany(ThingMade, [made(1), made(2), made(3)])
        const cmd = [
          process.execPath,
          `${import.meta.dir}/support/dying-consumer.ts`,
          `${ground.redis?.port}`,
          'killed',
          ground.url,
        ]
        const child = Bun.spawn({ cmd, stdout: 'ignore', stderr: 'inherit' })
        await child.exited
        expect(child.signalCode).toBe('SIGKILL')
        const before = await effects()
        expect(before.length).toBeGreaterThan(0)

        const events = await open({}, 'killed')
        const options = { name: 'effects', from: 'beginning', transactional } as const
        events.subscribe(ThingMade, options, (event, { trx }) => note(trx, event))
        await events.start()

        await eventually(() => expect(outcomes).toHaveLength(published.length))
        expect(outcomes.filter((outcome) => outcome === 'duplicate')).toHaveLength(before.length)
        expect(await effects()).toEqual([1, 2, 3])
        await eventually(async () => expect((await events.health())[0]).toMatchObject({ pending: 0, lag: 0 }))
      })
  })
}

test('a transactional subscription needs an inbox', () => {
  const events = createEvents<Trx>({ service: 'none', transports: memoryTransports(), logger: silentLogger })
  const declare = () => events.subscribe(ThingMade, { name: 'none', transactional }, () => {})

  expect(declare).toThrow(expect.objectContaining({ code: 'EVENT_SUBSCRIPTION_INVALID' }))
  expect(declare).toThrow('transactional needs an inbox')
})
