import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { sql } from 'kysely'
import type { Envelope } from '../../../../../shared/events/envelope.ts'
import { redriveOutbox } from '../../../../../shared/postgres/index.ts'
import { bucketOf } from '../../../../../shared/postgres/outbox/locks.ts'
import { eventually } from '../../../../../shared/testing/eventually.ts'
import { hasRedisServer } from '../../events/support/redis-server.ts'
import { openStage, orderByKey, recorder, type Stage } from './support/stage.ts'

setDefaultTimeout(60_000)

describe.skipIf(!hasRedisServer)('a relay', () => {
  let stage: Stage
  beforeEach(async () => {
    stage = await openStage()
  })
  afterEach(() => stage?.close())

  const isSent = (count: number) =>
    eventually(async () => expect(await stage.rows()).toMatchObject({ waiting: 0, archived: count }), {
      timeoutMs: 20_000,
    })

  test('keeps what a dead event server does not take, says so once, and sends it afterwards', async () => {
    const { logger, lines } = recorder()
    await stage.redis.kill()
    const attempts: number[] = []
    stage.relay({
      logger,
      idleTimeoutMs: 20_000,
      events: {
        safe: stage.sender.safe,
        async forward(envelopes) {
          const outcomes = await stage.sender.forward(envelopes)
          attempts.push(performance.now())
          return outcomes
        },
      },
    })

    await stage.publishAll(0, 50)
    await eventually(() => expect(attempts.length).toBeGreaterThan(2), { timeoutMs: 30_000 })
    expect(await stage.rows()).toMatchObject({ waiting: 50, archived: 0 })
    await stage.redis.restart()

    await isSent(50)
    expect(lines.filter(({ message }) => message.includes('does not take'))).toHaveLength(1)
    expect(lines.filter(({ message }) => message.includes('worked on again'))).toHaveLength(1)
    for (const numbers of Object.values(orderByKey(await stage.sent())))
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  })

  test('leaves the events of a full stream alone, and sends those of others', async () => {
    const isFull = (envelope: Envelope) => envelope.type === 'thing.made'
    let taken = 0
    await stage.publishAll(0, 100)
    const keys = Array.from({ length: 10_000 }, (_, at) => `key-${at}`)
    const behind = keys.find((key) => bucketOf(`other/${key}`) === bucketOf('thing/key-1'))
    await stage.addRow({ type: 'other.made', key: behind ?? '' })

    stage.relay({
      maxRows: 1,
      events: {
        safe: stage.sender.safe,
        async forward(envelopes) {
          const others = envelopes.filter((one) => !isFull(one))
          taken += others.length
          return envelopes.map((one) =>
            isFull(one) ? { ok: false, sent: 'full' } : { ok: true, entryId: '1-1' },
          )
        },
      },
    })

    await eventually(async () => expect(await stage.rows()).toMatchObject({ waiting: 100 }))
    expect(taken).toBe(1)
  })

  test('stops only the key whose event is refused', async () => {
    await stage.publishAll(0, 20, 2)
    let isRefusing = true

    stage.relay({
      events: {
        safe: stage.sender.safe,
        async forward(envelopes) {
          const refused = (one: Envelope) => isRefusing && one.partitionkey === 'key-1'
          const outcomes = await stage.sender.forward(envelopes.filter((one) => !refused(one)))
          const rest = [...outcomes]
          return envelopes.map((one) =>
            refused(one) ? { ok: false, sent: 'no' } : (rest.shift() ?? { ok: false, sent: 'maybe' }),
          )
        },
      },
    })

    await eventually(async () => expect(await stage.rows()).toMatchObject({ waiting: 10, archived: 10 }))
    isRefusing = false
    await isSent(20)
    expect(orderByKey(await stage.sent())['key-1']).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
  })

  test('parks a row that cannot be decoded: its key waits, others do not, and a release that can sends all', async () => {
    const { logger, lines } = recorder()
    const { id } = await stage.addRow({ key: 'key-1', specversion: '9.9' })
    await stage.publishAll(0, 20, 2)

    const first = stage.relay({ logger })
    await eventually(async () => expect(await stage.rows()).toEqual({ waiting: 10, parked: 1, archived: 10 }))
    await stage.publishAll(20, 22, 2)
    await eventually(async () => expect(await stage.rows()).toEqual({ waiting: 11, parked: 1, archived: 11 }))
    await first.stop(5000)
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1)
    expect(lines.find(({ level }) => level === 'error')?.fields).toEqual({
      outboxId: id,
      reason: 'specversion is not 1.0',
    })

    await sql`update outbox set event = replace(event::text, '9.9', '1.0')::json where id = ${id}`.execute(
      stage.db,
    )
    stage.relay()

    await isSent(23)
    expect(orderByKey(await stage.sent())['key-1']).toEqual([-1, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21])
  })

  test('sends again what the event server has lost since it was well', async () => {
    stage.relay()
    await stage.publishAll(0, 30)
    await isSent(30)

    await stage.redis.client.flushall()
    await stage.redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')

    await eventually(async () =>
      expect(Object.values(orderByKey(await stage.sent())).flat()).toHaveLength(30),
    )
    for (const numbers of Object.values(orderByKey(await stage.sent())))
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  })

  test('sends again at its start what was lost while nobody looked', async () => {
    const first = stage.relay()
    await stage.publishAll(0, 10)
    await isSent(10)
    await first.stop(5000)
    await stage.redis.client.flushall()

    stage.relay()

    await eventually(async () => expect(await stage.sent()).toHaveLength(10))
  })

  test('is not needed to redrive: a second time nothing is missing', async () => {
    const first = stage.relay()
    await stage.publishAll(0, 1200, 50)
    await isSent(1200)
    await first.stop(5000)
    const lost = (await stage.sent()).filter(({ n }) => n % 3 === 0).map(({ entryId }) => entryId)
    await stage.redis.client.xdel('events:{thing}', ...lost)

    const { sender: events, transports } = stage
    const options = { events, streams: transports.streams, since: 0 }
    const once = await redriveOutbox(stage.db, options)
    const twice = await redriveOutbox(stage.db, options)

    expect(once).toEqual({ checked: 1200, missing: 400, sent: 400 })
    expect(twice).toEqual({ checked: 1200, missing: 0, sent: 0 })
    expect(await stage.sent()).toHaveLength(1200)
  })
})
