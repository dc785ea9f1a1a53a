import assert from 'node:assert/strict'
import { PermanentError } from '../../events/errors.ts'
import { eventually } from '../eventually.ts'
import { ThingMade, ThingSold } from './contracts.ts'
import { SOON, type Stage } from './stage.ts'

type Scene = (stage: Stage) => Promise<void>

const made = (n: number, of: string) => ({ n, of })

/** What an ordered subscription promises. */
export const orders: Readonly<Record<string, Scene>> = {
  'events of one key are handled one after the other, across types': async ({ process }) => {
    const events = await process()
    const seen: string[] = []
    let running = 0
    let overlaps = 0
    events.subscribe([ThingMade, ThingSold], { name: 'ordered', ordered: true }, async ({ type, data }) => {
      if (data.of === 'a') overlaps += running++
      await new Promise((resolve) => setTimeout(resolve, data.n % 3))
      if (data.of === 'a') running--
      seen.push(`${type} ${data.of} ${data.n}`)
    })
    await events.start()

    for (let n = 0; n < 10; n++) {
      await events.publish(ThingMade, made(n, 'a'))
      await events.publish(ThingSold, made(n, 'a'))
      await events.publish(ThingMade, made(n, 'b'))
    }

    await eventually(() => assert.equal(seen.length, 30))
    const a = seen.filter((one) => one.includes(' a '))
    assert.deepEqual(
      a,
      Array.from({ length: 10 }, (_, n) => [`thing.made a ${n}`, `thing.sold a ${n}`]).flat(),
    )
    assert.equal(overlaps, 0)
  },

  'a failed event holds its own key, and only that': async ({ process }) => {
    const events = await process()
    const seen: string[] = []
    let broken = true
    events.subscribe(ThingMade, { name: 'held', ordered: true, backoff: SOON, attempts: 100 }, ({ data }) => {
      if (broken && data.of === 'a' && data.n === 0) throw new Error('not yet')
      seen.push(`${data.of}${data.n}`)
    })
    await events.start()

    await events.publishMany(ThingMade, [
      made(0, 'a'),
      made(1, 'a'),
      made(0, 'b'),
      made(2, 'a'),
      made(1, 'b'),
    ])
    await eventually(() => assert.deepEqual(seen, ['b0', 'b1']))
    await events.publish(ThingMade, made(3, 'a'))
    broken = false

    await eventually(() => assert.deepEqual(seen, ['b0', 'b1', 'a0', 'a1', 'a2', 'a3']))
    await events.publish(ThingMade, made(4, 'a'))
    await eventually(() => assert.equal(seen.at(-1), 'a4'))
  },

  'after a dead letter the key goes on': async ({ process }) => {
    const events = await process()
    const seen: string[] = []
    events.subscribe(
      ThingMade,
      { name: 'goes-on', ordered: true, backoff: SOON, attempts: 2 },
      ({ data }) => {
        if (data.n === 0) throw new Error('always')
        seen.push(`${data.of}${data.n}`)
      },
    )
    await events.start()

    await events.publishMany(ThingMade, [made(0, 'a'), made(1, 'a'), made(2, 'a')])

    await eventually(() => assert.deepEqual(seen, ['a1', 'a2']))
    assert.equal((await events.deadLetters.list('goes-on')).items.length, 1)
  },

  'after a dead letter the key waits for its redrive, when told to': async ({ process }) => {
    const events = await process()
    const seen: string[] = []
    let broken = true
    const options = { name: 'waits', ordered: true, onDeadLetter: 'hold' } as const
    events.subscribe(ThingMade, options, ({ data, redelivered }) => {
      if (broken && data.of === 'a' && data.n === 0) throw new PermanentError('broken')
      seen.push(`${data.of}${data.n} ${redelivered}`)
    })
    await events.start()
    await events.publishMany(ThingMade, [made(0, 'a'), made(1, 'a'), made(0, 'b')])
    const [letter] = await eventually(async () => {
      const { items } = await events.deadLetters.list('waits')
      assert.equal(items.length, 1)
      assert.deepEqual(seen, ['b0 false'])
      return items
    })

    broken = false
    await events.deadLetters.redrive('waits', [letter?.id ?? ''], { by: 'ada' })

    await eventually(() => assert.deepEqual(seen, ['b0 false', 'a0 true', 'a1 false']))
  },

  'purging the dead letter a key waits for lets the key go on': async ({ process }) => {
    const events = await process()
    const seen: string[] = []
    events.subscribe(ThingMade, { name: 'purged', ordered: true, onDeadLetter: 'hold' }, ({ data }) => {
      if (data.n === 0) throw new PermanentError('broken')
      seen.push(`${data.of}${data.n}`)
    })
    await events.start()
    await events.publishMany(ThingMade, [made(0, 'a'), made(1, 'a')])
    await eventually(async () => {
      const [health] = await events.health()
      assert.deepEqual([health?.dead, health?.pending, health?.lag], [1, 0, 0])
    })

    await events.deadLetters.purge('purged', {}, { by: 'ada' })

    await eventually(() => assert.deepEqual(seen, ['a1']))
  },

  'one process at a time reads, and another takes over in order': async ({ process }) => {
    const seen: string[] = []
    const start = async (name: string) => {
      const events = await process()
      events.subscribe(
        ThingMade,
        { name: 'handover', ordered: true },
        ({ data }) => void seen.push(`${name} ${data.n}`),
      )
      await events.start()
      return events
    }
    const first = await start('first')
    await first.publish(ThingMade, made(0, 'a'))
    await eventually(() => assert.deepEqual(seen, ['first 0']))
    const second = await start('second')
    await first.publish(ThingMade, made(1, 'a'))
    await eventually(() => assert.deepEqual(seen, ['first 0', 'first 1']))

    await first.close()
    await second.publishMany(ThingMade, [made(2, 'a'), made(3, 'a')])

    await eventually(() => assert.deepEqual(seen.slice(2), ['second 2', 'second 3']))
  },

  'a held key is still held after a restart': async ({ process }) => {
    const seen: string[] = []
    let broken = true
    const start = async () => {
      const events = await process()
      const options = { name: 'restart', ordered: true, backoff: { baseMs: 300, maxMs: 300 }, attempts: 50 }
      events.subscribe(ThingMade, options, ({ data }) => {
        if (broken && data.n === 0) throw new Error('not yet')
        seen.push(`${data.of}${data.n}`)
      })
      await events.start()
      return events
    }
    const first = await start()
    await first.publishMany(ThingMade, [made(0, 'a'), made(1, 'a')])
    await eventually(async () => assert.equal((await first.health())[0]?.due, 1))
    await first.close()

    broken = false
    const second = await start()
    await second.publish(ThingMade, made(2, 'a'))

    await eventually(() => assert.deepEqual(seen, ['a0', 'a1', 'a2']))
  },

  'too many events behind one key pause the reading, and none is lost': async ({ process }) => {
    const events = await process()
    const seen: number[] = []
    let broken = true
    const options = { name: 'bounded', ordered: true, backoff: SOON, attempts: 1000, maxBehind: 3 }
    events.subscribe(ThingMade, options, ({ data }) => {
      if (broken && data.n === 0) throw new Error('not yet')
      seen.push(data.n)
    })
    await events.start()

    await events.publishMany(
      ThingMade,
      Array.from({ length: 20 }, (_, n) => made(n, 'a')),
    )
    await eventually(async () => assert.ok(((await events.health())[0]?.pending ?? 0) > 0))
    broken = false

    await eventually(() =>
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, n) => n),
      ),
    )
  },
}
