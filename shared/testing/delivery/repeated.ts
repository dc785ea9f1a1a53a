import assert from 'node:assert/strict'
import { eventually } from '../eventually.ts'
import { ThingMade } from './contracts.ts'
import type { Stage } from './stage.ts'

type Scene = (stage: Stage) => Promise<void>

const made = (n: number) => ({ n, of: 'wood' })

/** What becomes of an event that is published more than once. */
export const repeated: Readonly<Record<string, Scene>> = {
  'an event published again with its id within the window is delivered once': async ({ process }) => {
    const duplicates: string[] = []
    const observer = { duplicated: (type: string, count: number) => void duplicates.push(`${type} ${count}`) }
    const [events, other] = [await process(), await process({ observer })]
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'once' }, ({ data }) => void seen.push(data.n))
    await events.start()

    const first = await events.publish(ThingMade, made(1), { id: 'mine' })
    const second = await other.publish(ThingMade, made(1), { id: 'mine' })
    const many = await other.publishMany(ThingMade, [made(2), made(1), made(2), made(3)], {
      idOf: ({ n }) => (n === 1 ? 'mine' : `number-${n}`),
    })

    await eventually(() => assert.deepEqual(seen.toSorted(), [1, 2, 3]))
    assert.equal(second.entryId, first.entryId)
    assert.deepEqual([many[1]?.entryId, many[2]?.entryId], [first.entryId, many[0]?.entryId])
    assert.deepEqual(duplicates, ['thing.made 1', 'thing.made 2'])
    await eventually(async () => assert.equal((await events.health())[0]?.lag, 0))
    assert.deepEqual(seen.toSorted(), [1, 2, 3])
  },
}
