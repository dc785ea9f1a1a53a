import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { eventually } from '../../../../../shared/testing/eventually.ts'
import { hasRedisServer } from '../../events/support/redis-server.ts'
import { openStage, orderByKey, type Stage } from './support/stage.ts'

setDefaultTimeout(30_000)

describe.skipIf(!hasRedisServer)('a relay', () => {
  let stage: Stage
  beforeEach(async () => {
    stage = await openStage()
  })
  afterEach(() => stage?.close())

  test('sends what was committed, with its outbox id as sequence, and archives it', async () => {
    stage.relay()

    await stage.publishAll(0, 20)

    await eventually(async () => expect(await stage.rows()).toEqual({ waiting: 0, parked: 0, archived: 20 }))
    const sent = await stage.sent()
    expect(sent.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect(new Set(sent.map(({ sequence }) => sequence)).size).toBe(20)
  })

  test('sends two transactions of one key in the order of their commits', async () => {
    stage.relay()
    const first = await stage.db.startTransaction().execute()
    await stage.publish(first, 1)
    const second = stage.other.transaction().execute((trx) => stage.publish(trx, 2))

    await stage.publish(first, 3)
    await first.commit().execute()
    await second

    await eventually(async () => expect((await stage.sent()).map(({ n }) => n)).toEqual([1, 3, 2]))
  })

  test('shares the buckets with another, and each key keeps its order', async () => {
    await stage.publishAll(0, 1000, 50)

    stage.relay({ maxRows: 50 })
    stage.relay({ maxRows: 50, db: stage.other })

    await eventually(async () => expect(await stage.rows()).toMatchObject({ waiting: 0, archived: 1000 }))
    const sent = await stage.sent()
    expect(sent).toHaveLength(1000)
    for (const numbers of Object.values(orderByKey(sent)))
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  })
})
