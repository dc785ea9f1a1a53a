import assert from 'node:assert/strict'
import { eventually } from '../eventually.ts'
import { ThingMade } from './contracts.ts'
import type { Stage } from './stage.ts'

type Scene = (stage: Stage) => Promise<void>

const made = (n: number) => ({ n, of: 'wood' })

/** What can be done with dead letters. */
export const deadLetters: Readonly<Record<string, Scene>> = {
  'a redriven dead letter returns to its own subscription only, marked, its attempts reset': async ({
    process,
  }) => {
    const audit: unknown[] = []
    const events = await process({ audit: async (told) => void audit.push(told) })
    let broken = true
    const seen: string[] = []
    events.subscribe(ThingMade, { name: 'redriven', attempts: 1 }, ({ attempt, redelivered, data }) => {
      if (broken) throw new Error('broken')
      seen.push(`${data.n} ${attempt} ${redelivered}`)
    })
    let others = 0
    events.subscribe(ThingMade, { name: 'other' }, () => void others++)
    await events.start()
    await events.publishMany(ThingMade, [made(1), made(2), made(3)])
    const letters = await eventually(async () => {
      const { items } = await events.deadLetters.list('redriven')
      assert.equal(items.length, 3)
      assert.equal(others, 3)
      return items
    })

    broken = false
    const first = letters[0]?.id ?? ''
    const one = await events.deadLetters.redrive('redriven', [first, first], { by: 'ada' })
    const rest = await events.deadLetters.redrive(
      'redriven',
      { type: 'thing.made' },
      { by: 'ada', perSecond: 1000 },
    )

    assert.deepEqual([one, rest], [1, 2])
    await eventually(() => assert.deepEqual(seen.toSorted(), ['1 1 true', '2 1 true', '3 1 true']))
    assert.equal(others, 3)
    const told = { action: 'redrive', by: 'ada', subscription: 'redriven', letters: [first] }
    assert.deepEqual(audit.slice(0, 2), [
      { ...told, done: false },
      { ...told, done: true },
    ])
    assert.equal((await events.deadLetters.list('redriven')).items.length, 0)
  },

  'dead letters are found by page, by error and one at a time, and purged': async ({ process }) => {
    const events = await process()
    events.subscribe(ThingMade, { name: 'found', attempts: 1, pauseAfterFailures: 100 }, ({ data }) => {
      throw new Error(data.n % 2 === 0 ? 'even' : 'odd')
    })
    await events.start()
    await events.publishMany(
      ThingMade,
      Array.from({ length: 10 }, (_, n) => made(n)),
    )
    await eventually(async () => assert.equal((await events.health())[0]?.dead, 10))

    const page = await events.deadLetters.list('found', { limit: 4 })
    const rest = await events.deadLetters.list('found', { limit: 10, after: page.next ?? '' })
    const even = await events.deadLetters.list('found', { error: 'even' })
    const one = await events.deadLetters.get('found', even.items[0]?.id ?? '')
    const purged = await events.deadLetters.purge('found', { error: 'even' }, { by: 'ada' })

    assert.deepEqual([page.items.length, rest.items.length, even.items.length], [4, 6, 5])
    assert.equal(one?.error, 'even')
    assert.equal(purged, 5)
    assert.equal((await events.deadLetters.list('found')).items.length, 5)
    await assert.rejects(events.deadLetters.list('unknown'), { code: 'EVENT_UNKNOWN' })
  },
}
