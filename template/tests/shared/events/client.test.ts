import { expect, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { createEvents } from '../../../../shared/events/client.ts'
import { SystemError } from '../../../../shared/events/contracts/system.ts'
import { UserCreated } from '../../../../shared/events/contracts/user.ts'
import type { Envelope } from '../../../../shared/events/envelope.ts'
import type { EventsOptions } from '../../../../shared/events/events.ts'
import { MemoryBroker } from '../../../../shared/events/memory/streams.ts'
import type { Consumption } from '../../../../shared/events/observer.ts'
import { memoryStore } from '../../../../shared/events/store.ts'
import type { AppendRun } from '../../../../shared/events/transport.ts'
import { memoryTransports } from '../../../../shared/events/transports.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'

interface Trx {
  readonly rows: Envelope[]
}

const ada = { user_id: 7, full_name: 'Ada Lovelace', role: 'executor', metadata: {} } as const

function clientOf(options: Partial<EventsOptions<Trx>> = {}) {
  const outbox = { add: async (trx: Trx, events: readonly Envelope[]) => void trx.rows.push(...events) }
  return createEvents<Trx>({
    service: 'users',
    transports: memoryTransports(),
    logger: silentLogger,
    outbox,
    ...options,
  })
}

test('publishing with trx writes to the outbox and sends nothing', async () => {
  const events = clientOf()
  const trx: Trx = { rows: [] }
  let handled = 0
  events.subscribe(UserCreated, { name: 'sub' }, () => void handled++)
  await events.start()

  const published = await events.publish(UserCreated, ada, { trx, correlationId: 'c-1' })

  expect(published.entryId).toBeUndefined()
  expect(trx.rows).toMatchObject([
    { id: published.id, type: 'user.created', partitionkey: 'user/7', correlationid: 'c-1' },
  ])
  expect(handled).toBe(0)
  await events.close()
})

test('what is published in one turn is sent a hundred at a time, each part behind the others', async () => {
  const transports = memoryTransports()
  const parts: { size: number; run: AppendRun | undefined }[] = []
  const append = transports.streams.append.bind(transports.streams)
  transports.streams.append = (tag, entries, run) => {
    parts.push({ size: entries.length, run })
    return append(tag, entries, run)
  }
  const events = clientOf({ transports })

  const many = Array.from({ length: 250 }, () => events.publish(UserCreated, ada))
  const sizesAtOnce = parts.map(({ size }) => size)
  await Promise.all(many)
  await events.publish(UserCreated, ada)

  expect(sizesAtOnce).toEqual([100, 100])
  expect(parts.map(({ size }) => size)).toEqual([100, 100, 50, 1])
  const [{ run } = { run: undefined }, ...others] = parts
  expect(run).toBeInstanceOf(Map)
  expect(others.map((part) => part.run === run)).toEqual([true, true, false])
  expect(parts.at(-1)?.run).toBeUndefined()
})

test('what a relay forwards arrives with its sequence, and is safe once every subscription is done', async () => {
  const events = clientOf()
  const trx: Trx = { rows: [] }
  const seen: (string | undefined)[] = []
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  events.subscribe(UserCreated, { name: 'sub' }, async ({ sequence }) => {
    await gate
    seen.push(sequence)
  })
  await events.start()
  await events.publish(UserCreated, ada, { trx })
  const row = { ...(trx.rows[0] as Envelope), sequence: '42' }

  const [outcome] = await events.forward([row])
  let safe = false
  const waiting = events.safe(row, outcome?.ok ? outcome.entryId : '').then(() => {
    safe = true
  })
  await eventually(async () => expect((await events.health())[0]?.pending).toBe(1))
  expect(safe).toBe(false)
  release()

  await waiting
  expect(seen).toEqual(['42'])
  await events.close()
})

test('an event takes the trace and the correlation of whoever publishes it, and metrics hear of its end', async () => {
  const consumed: Consumption[] = []
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const handled: Envelope[] = []
  const events = clientOf({
    observer: {
      context: () => ({ correlationId: 'c-9', traceparent }),
      handling: async (_subscription, envelopes, run) => {
        handled.push(...envelopes)
        await run()
      },
      consumed: (consumption) => void consumed.push(consumption),
    },
  })
  events.subscribe(UserCreated, { name: 'sub' }, () => {})
  await events.start()

  await events.publish(UserCreated, ada)

  await eventually(() => expect(consumed).toHaveLength(1))
  expect(handled).toMatchObject([{ correlationid: 'c-9', traceparent }])
  expect(consumed[0]).toMatchObject({
    subscription: 'sub',
    type: 'user.created',
    outcome: 'done',
    replay: false,
  })
  expect(consumed[0]?.latencyMs).toBeLessThan(10_000)
  await events.close()
})

test('broadcasts over their limit are dropped and counted, and pass again a second later', async () => {
  let now = 1_700_000_000_000
  let dropped = 0
  let sent = 0
  const observer = { dropped: () => void dropped++, published: () => void sent++ }
  const events = clientOf({ now: () => now, observer })
  const error = { service: 'users', code: 'X', message: 'x', occurred_at: '2026-01-01T00:00:00Z' }

  for (let i = 0; i < 25; i++) await events.publish(SystemError, error)
  expect([sent, dropped]).toEqual([10, 15])
  now += 1000
  await events.publish(SystemError, error)

  expect(sent).toBe(11)
})

test('a service under another name does not start beside the subscriptions of the old one', async () => {
  const shared = { broker: new MemoryBroker(), store: memoryStore() }
  const old = clientOf({ service: 'users', transports: memoryTransports(shared) })
  old.subscribe(UserCreated, { name: 'sub' }, () => {})
  await old.start()
  await old.close()
  const renamed = clientOf({ service: 'accounts', transports: memoryTransports(shared) })
  renamed.subscribe(UserCreated, { name: 'sub' }, () => {})

  const starting = renamed.start()

  expect(starting).rejects.toThrow('belong to users, not to accounts')
})

test('what is parked can be looked at', async () => {
  const events = clientOf()
  events.subscribe(UserCreated, { name: 'sub' }, () => {})
  await events.start()
  const base = {
    source: 's',
    type: 'user.created',
    time: '2026-01-01T00:00:00Z',
    data: '{}',
    partitionkey: 'user/7',
  }

  await events.forward([{ ...base, id: 'v3', dataversion: 3 }])

  await eventually(async () => {
    const parked = await events.parked('sub')
    expect(parked.map(({ eventId, version }) => [eventId, version])).toEqual([['v3', 3]])
  })
  await events.close()
})
