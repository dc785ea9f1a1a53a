import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createEvents, memoryTransports, silentLogger } from '@kiln/shared'
import { outboxMetrics } from '@kiln/shared/observability'
import {
  createNotifier,
  createRelay,
  listenForWake,
  migrateShared,
  outboxStatus,
  postgresArchive,
  postgresOutbox,
  redriveOutbox,
} from '@kiln/shared/postgres'
import { eventually } from '@kiln/shared/testing'
import { CamelCasePlugin, Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { Registry } from 'prom-client'
import { ThingMade } from '../../../../../shared/testing/delivery/contracts.ts'
import { createTestDatabase, type TestDatabase } from '../../../../../tests/support/database.ts'

setDefaultTimeout(30_000)

interface Shop {
  readonly shopOrder: { readonly id: number; readonly soldAt: Date }
}

/** A service that has a pool, a schema and plugins of its own, and its events in memory. */
describe('an outbox in a database that is not ours', () => {
  let database: TestDatabase
  let pool: pg.Pool
  let db: Kysely<Shop>
  beforeAll(async () => {
    database = await createTestDatabase()
    pool = new pg.Pool({
      connectionString: database.url,
      max: 8,
      options: '-c default_transaction_isolation=serializable -c search_path=shop,public',
    })
    // The test cuts connections, and so does dropping the database.
    pool.on('error', () => {})
    pool.on('connect', (client) => client.on('error', () => {}))
    db = new Kysely<Shop>({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] })
    await pool.query('create schema shop; create table shop_order (id int primary key, sold_at timestamptz)')
    await migrateShared(db.withoutPlugins())
  })
  afterAll(async () => {
    await db.destroy()
    await database.drop()
  })

  const open = () => {
    const wakes: (() => void)[] = []
    const transports = memoryTransports()
    const events = createEvents<Transaction<Shop>>({
      service: 'shop',
      transports,
      logger: silentLogger,
      outbox: postgresOutbox<Shop>({ onAdded: () => wakes[0]?.() }),
    })
    const registry = new Registry()
    const observer = outboxMetrics({ registry, status: () => outboxStatus(db) })
    const relay = createRelay<Shop>({
      db,
      events,
      streams: transports.streams,
      logger: silentLogger,
      observer,
      pollEveryMs: 60_000,
    })
    wakes.push(() => relay.poke())
    const sell = (id: number) =>
      db.transaction().execute(async (trx) => {
        await trx.insertInto('shopOrder').values({ id, soldAt: new Date() }).execute()
        await events.publish(ThingMade, { n: id, of: 'wood' }, { trx })
      })
    return { events, transports, relay, registry, sell }
  }

  test('counts a row as sent once every subscription has finished it, and tells so', async () => {
    const { events, transports, relay, registry, sell } = open()
    const handled: number[] = []
    let finish = () => {}
    const mayFinish = new Promise<void>((resolve) => {
      finish = resolve
    })
    events.subscribe(ThingMade, { name: 'slow' }, async ({ data }) => {
      handled.push(data.n)
      await mayFinish
    })
    await events.start()
    relay.start()

    await sell(1)
    await sell(2)
    await eventually(() => expect(handled).toEqual([1, 2]))
    relay.poke()
    const whileHandled = await outboxStatus(db)
    const measured = await registry.metrics()
    finish()

    await eventually(async () =>
      expect(await outboxStatus(db)).toEqual({ depth: 0, parked: 0, oldestAgeMs: 0 }),
    )
    expect(whileHandled).toMatchObject({ depth: 2, parked: 0 })
    expect(measured).toContain('event_outbox_depth 2')
    expect(measured).toContain('event_outbox_sent_total 2')
    expect(await registry.metrics()).toContain('event_outbox_archived_total 2')
    expect(handled).toEqual([1, 2])
    const archived = await postgresArchive(db).range('thing', '0-0', '9999999999999-0', 10)
    expect(archived.map(({ id }) => id)).toEqual(
      (await transports.streams.range('thing', '0-0', 10)).map(({ id }) => id),
    )
    const { streams } = transports
    expect(await redriveOutbox(db, { events, streams, since: 0 })).toMatchObject({ checked: 2, missing: 0 })
    expect(await relay.stop(5000)).toBe(true)
    await events.close()
  })

  test('sends at its next start what its process did not finish', async () => {
    const first = open()
    first.events.subscribe(ThingMade, { name: 'never' }, () => new Promise(() => {}))
    await first.events.start()
    first.relay.start()
    await first.sell(3)
    await eventually(async () =>
      expect(await first.registry.metrics()).toContain('event_outbox_sent_total 1'),
    )
    await first.relay.stop(1000)
    await first.events.close(10)

    const second = open()
    const handled: number[] = []
    second.events.subscribe(ThingMade, { name: 'never' }, ({ data }) => void handled.push(data.n))
    await second.events.start()
    second.relay.start()

    await eventually(() => expect(handled).toEqual([3]))
    await eventually(async () => expect((await outboxStatus(db)).depth).toBe(0))
    await second.relay.stop(1000)
    await second.events.close()
  })

  test('wakes a relay in another process, outside the transaction, and again after its connection was cut', async () => {
    const notifier = createNotifier(db)
    let woken = 0
    const stop = listenForWake(() => woken++, {
      url: database.url,
      logger: silentLogger,
      backoff: { baseMs: 10, maxMs: 20 },
    })
    await eventually(() => expect(woken).toBe(1))

    for (let n = 0; n < 500; n++) notifier.notify()
    await eventually(() => expect(woken).toBeGreaterThan(1))
    await notifier.stop()
    expect(woken).toBeLessThan(10)
    await pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'outbox wake'`,
    )
    const before = woken
    await eventually(() => expect(woken).toBeGreaterThan(before))
    const reconnected = woken
    notifier.notify()
    await eventually(() => expect(woken).toBeGreaterThan(reconnected))

    await notifier.stop()
    await stop()
  })
})
