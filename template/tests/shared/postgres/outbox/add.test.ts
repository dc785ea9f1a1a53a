import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { sql, type Transaction } from 'kysely'
import { ThingMade } from '../../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../../shared/testing/eventually.ts'
import { hasRedisServer } from '../../events/support/redis-server.ts'
import { openStage, type Stage, sendKeptBack } from './support/stage.ts'

describe.skipIf(!hasRedisServer)('publishing with a transaction', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage()
  })
  afterAll(() => stage?.close())
  beforeEach(() => sql`truncate outbox`.execute(stage.db))

  const rows = async () =>
    (
      await sql<{ key: string; bucket: number; event: { data: unknown; partitionkey: string } }>`
      select key, bucket, event from outbox order by id`.execute(stage.db)
    ).rows

  test('leaves one row under the key of its domain', async () => {
    const { id, entryId } = await stage.db.transaction().execute((trx) => stage.publish(trx, 1, 'oak'))

    const [row] = await rows()
    expect(entryId).toBeUndefined()
    expect(row).toMatchObject({
      key: 'thing/oak',
      event: { id, type: 'thing.made', data: { n: 1, of: 'oak' } },
    })
    expect(await stage.sent()).toEqual([])
  })

  test('leaves nothing when the transaction is rolled back', async () => {
    const attempt = stage.db.transaction().execute(async (trx) => {
      await stage.publish(trx, 1)
      throw new Error('changed our mind')
    })

    await expect(attempt).rejects.toThrow('changed our mind')
    expect(await rows()).toEqual([])
  })

  test('that has ended is an error at once', async () => {
    const ended = await stage.db.transaction().execute(async (trx) => trx)
    const controlled = await stage.db.startTransaction().execute()
    await controlled.rollback().execute()

    for (const trx of [ended, controlled]) {
      await expect(stage.publish(trx, 1)).rejects.toMatchObject({ code: 'EVENT_TRANSACTION_CLOSED' })
    }
    expect(await rows()).toEqual([])
  })

  test('that is none is refused', async () => {
    const attempt = stage.publish(stage.db as Transaction<Record<string, never>>, 1)

    await expect(attempt).rejects.toMatchObject({ code: 'EVENT_TRANSACTION_CLOSED' })
  })

  test('keeps the order in which many were given', async () => {
    const numbers = Array.from({ length: 300 }, (_, n) => n)

    await stage.db.transaction().execute((trx) =>
      stage.events.publishMany(
        ThingMade,
        numbers.map((n) => ({ n, of: `key-${n % 7}` })),
        { trx },
      ),
    )

    expect((await rows()).map(({ event }) => (event.data as { n: number }).n)).toEqual(numbers)
  })

  test('of many keys in opposite orders does not deadlock', async () => {
    const keys = Array.from({ length: 40 }, (_, at) => `key-${at}`)
    const publish = (order: readonly string[]) =>
      stage.db.transaction().execute((trx) =>
        stage.events.publishMany(
          ThingMade,
          order.map((of, n) => ({ n, of })),
          { trx },
        ),
      )

    await Promise.all(Array.from({ length: 40 }, (_, at) => publish(at % 2 === 0 ? keys : keys.toReversed())))

    expect(await rows()).toHaveLength(1600)
  })

  test('draws ids only once every key is free, so that id order is commit order', async () => {
    const first = await stage.db.startTransaction().execute()
    await stage.publish(first, 1, 'busy')
    await sendKeptBack(first)
    const second = stage.other.transaction().execute((trx) =>
      stage.events.publishMany(
        ThingMade,
        [
          { n: 2, of: 'free' },
          { n: 3, of: 'busy' },
        ],
        { trx },
      ),
    )
    await eventually(async () => {
      const { rows: waiting } = await sql`
        select from pg_locks where locktype = 'advisory' and not granted`.execute(stage.db)
      expect(waiting).toHaveLength(1)
    })

    await stage.publish(first, 4, 'busy')
    await first.commit().execute()
    await second

    expect((await rows()).map(({ event }) => (event.data as { n: number }).n)).toEqual([1, 4, 2, 3])
  })

  test('does not wait for another key', async () => {
    const open = await stage.db.startTransaction().execute()
    await stage.publish(open, 1, 'oak')
    await sendKeptBack(open)

    await stage.other.transaction().execute((trx) => stage.publish(trx, 2, 'elm'))

    await open.rollback().execute()
    expect(await rows()).toHaveLength(1)
  })
})
