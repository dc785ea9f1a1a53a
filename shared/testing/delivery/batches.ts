import assert from 'node:assert/strict'
import { BatchError } from '../../events/errors.ts'
import { eventually } from '../eventually.ts'
import { ThingMade } from './contracts.ts'
import { SOON, type Stage } from './stage.ts'

type Scene = (stage: Stage) => Promise<void>

const made = (n: number) => ({ n, of: 'wood' })

/** What happens when a batch fails. */
export const batches: Readonly<Record<string, Scene>> = {
  'a batch that fails is halved until the culprit stands alone': async ({ process }) => {
    const events = await process()
    const handled = new Set<number>()
    events.subscribeBatch(ThingMade, { name: 'halved', attempts: 2, backoff: SOON }, (batch) => {
      if (batch.some(({ data }) => data.n === 13)) throw new Error(`13 among ${batch.length}`)
      for (const { data } of batch) handled.add(data.n)
    })
    await events.start()

    await events.publishMany(
      ThingMade,
      Array.from({ length: 40 }, (_, n) => made(n)),
    )

    await eventually(async () => {
      const { items } = await events.deadLetters.list('halved')
      assert.deepEqual(
        items.map(({ fields, error }) => [JSON.parse(fields.data ?? '').n, error]),
        [[13, '13 among 1']],
      )
      assert.equal(handled.size, 39)
    })
  },

  'a batch that names its culprits repeats only those': async ({ process }) => {
    const events = await process()
    const calls: number[][] = []
    events.subscribeBatch(ThingMade, { name: 'named', backoff: SOON }, (batch) => {
      calls.push(batch.map(({ data }) => data.n))
      const failures = batch.filter(({ data, attempt }) => data.n % 2 === 1 && attempt === 1)
      if (failures.length > 0)
        throw new BatchError(failures.map(({ id }) => ({ id, error: new Error('odd') })))
    })
    await events.start()

    await events.publishMany(ThingMade, [made(1), made(2), made(3), made(4)])

    await eventually(() => assert.deepEqual(calls.flat().toSorted(), [1, 1, 2, 3, 3, 4]))
    await eventually(async () => assert.equal((await events.health())[0]?.pending, 0))
  },
}
