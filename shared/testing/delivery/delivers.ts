import assert from 'node:assert/strict'
import { millisecondsOf } from '../../events/entry-id.ts'
import { PermanentError } from '../../events/errors.ts'
import { eventually } from '../eventually.ts'
import { ThingMade, ThingShouted, ThingSold } from './contracts.ts'
import type { Stage } from './stage.ts'

type Scene = (stage: Stage) => Promise<void>

const made = (n: number, of = 'wood') => ({ n, of })

/** How events reach their handlers. */
export const delivers: Readonly<Record<string, Scene>> = {
  'every subscription receives an event once it is published': async ({ process }) => {
    const events = await process()
    const seen: string[] = []
    events.subscribe(ThingMade, { name: 'first' }, ({ data }) => void seen.push(`first ${data.n}`))
    events.subscribe(ThingMade, { name: 'second' }, ({ data }) => void seen.push(`second ${data.n}`))
    await events.start()

    await events.publish(ThingMade, made(1))

    await eventually(() => assert.deepEqual(seen.toSorted(), ['first 1', 'second 1']))
  },

  'an event carries what its publisher said of it': async ({ process }) => {
    const events = await process()
    const seen: unknown[] = []
    events.subscribe(ThingMade, { name: 'reader' }, (event) => void seen.push(event))
    await events.start()

    const published = await events.publish(ThingMade, made(1), {
      id: 'my-id',
      time: new Date(1_700_000_000_000),
      correlationId: 'c-1',
      causationId: 'e-0',
    })

    await eventually(() => assert.equal(seen.length, 1))
    assert.deepEqual(seen[0], {
      id: 'my-id',
      source: 'suite',
      type: 'thing.made',
      time: '2023-11-14T22:13:20.000Z',
      data: { n: 1, of: 'wood' },
      key: 'wood',
      correlationId: 'c-1',
      causationId: 'e-0',
      sequence: undefined,
      entryId: published.entryId,
      attempt: 1,
      redelivered: false,
      replay: false,
    })
  },

  'two processes of one service share the events of a subscription': async ({ process }) => {
    const seen: string[] = []
    const processes = [await process(), await process()]
    for (const [at, events] of processes.entries()) {
      events.subscribe(ThingMade, { name: 'shared', concurrency: 1 }, async ({ data }) => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        seen.push(`${at} ${data.n}`)
      })
      await events.start()
    }

    const numbers = Array.from({ length: 60 }, (_, n) => n)
    await processes[0]?.publishMany(
      ThingMade,
      numbers.map((n) => made(n)),
    )

    await eventually(() => assert.equal(seen.length, 60))
    const handled = seen.map((one) => Number(one.split(' ')[1])).sort((a, b) => a - b)
    assert.deepEqual(handled, numbers)
  },

  'one subscription takes several events, told apart by their type': async ({ process }) => {
    const events = await process()
    const seen: string[] = []
    events.subscribe(
      [ThingMade, ThingSold],
      { name: 'both' },
      ({ type, data }) => void seen.push(`${type} ${data.n}`),
    )
    await events.start()

    await events.publish(ThingMade, made(1))
    await events.publish(ThingSold, made(2))

    await eventually(() => assert.deepEqual(seen, ['thing.made 1', 'thing.sold 2']))
  },

  'a type the subscription did not ask for is acknowledged unseen': async ({ process }) => {
    const events = await process()
    const seen: number[] = []
    events.subscribe(ThingMade, { name: 'picky' }, ({ data }) => void seen.push(data.n))
    await events.start()

    await events.publish(ThingSold, made(1))
    await events.publish(ThingMade, made(2))

    await eventually(() => assert.deepEqual(seen, [2]))
    await eventually(async () => {
      const [health] = await events.health()
      assert.deepEqual([health?.lag, health?.pending, health?.dead], [0, 0, 0])
    })
  },

  'a new subscription starts with what comes, or at the beginning, or at a time': async ({ process }) => {
    const first = await process()
    const one = await first.publish(ThingMade, made(1))
    await eventually(() => assert.ok(Date.now() > millisecondsOf(one.entryId ?? '')))
    const two = await first.publish(ThingMade, made(2))
    const cut = new Date(millisecondsOf(two.entryId ?? ''))
    const seen: string[] = []
    const events = await process()
    for (const [name, from] of [
      ['new', 'new'],
      ['all', 'beginning'],
      ['since', cut],
    ] as const) {
      events.subscribe(ThingMade, { name, from }, ({ data }) => void seen.push(`${name} ${data.n}`))
    }
    await events.start()

    await events.publish(ThingMade, made(3))

    await eventually(() =>
      assert.deepEqual(seen.toSorted(), ['all 1', 'all 2', 'all 3', 'new 3', 'since 2', 'since 3']),
    )
  },

  'draining finishes what runs and leaves the rest to another process': async ({ process }) => {
    const seen: number[] = []
    const leaving = await process()
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    leaving.subscribe(ThingMade, { name: 'drain', concurrency: 1 }, async ({ data }) => {
      await held
      seen.push(data.n)
    })
    await leaving.start()
    await leaving.publishMany(ThingMade, [made(1), made(2), made(3)])
    await eventually(async () => assert.equal((await leaving.health())[0]?.pending, 3))

    const closed = leaving.close()
    release()
    assert.deepEqual(await closed, [])
    assert.deepEqual(seen, [1])
    const staying = await process()
    staying.subscribe(ThingMade, { name: 'drain' }, ({ data }) => void seen.push(data.n))
    await staying.start()

    await eventually(() => assert.deepEqual(seen, [1, 2, 3]))
  },

  'a paused subscription waits, in every process and after a restart, until it is resumed': async ({
    process,
  }) => {
    const seen: number[] = []
    const start = async () => {
      const events = await process()
      events.subscribe(ThingMade, { name: 'paused' }, ({ data }) => void seen.push(data.n))
      await events.start()
      return events
    }
    const first = await start()
    await first.pause('paused')
    await first.close()
    const second = await start()

    await second.publish(ThingMade, made(1))
    const [health] = await eventually(async () => {
      const found = await second.health()
      assert.equal(found[0]?.lag, 1)
      return found
    })
    assert.equal(health?.paused, true)
    assert.deepEqual(seen, [])
    await second.resume('paused')

    await eventually(() => assert.deepEqual(seen, [1]))
  },

  'a sharded domain delivers everything, each key in one shard': async ({ process }) => {
    const events = await process({ shards: { thing: 3 } })
    const seen: string[] = []
    events.subscribe(
      ThingMade,
      { name: 'sharded', ordered: true },
      ({ data, key }) => void seen.push(`${key} ${data.n}`),
    )
    await events.start()

    const all = Array.from({ length: 30 }, (_, n) => made(n, `key-${n % 5}`))
    await events.publishMany(ThingMade, all)

    await eventually(() => assert.equal(seen.length, 30))
    for (const key of ['key-0', 'key-1', 'key-2', 'key-3', 'key-4']) {
      const numbers = seen.filter((one) => one.startsWith(key)).map((one) => Number(one.split(' ')[1]))
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
    }
  },

  'a broadcast reaches whoever listens, and a listener that throws hears the next one': async ({
    process,
  }) => {
    const [speaker, listener] = [await process(), await process()]
    const heard: string[] = []
    listener.listen(ThingShouted, ({ data }) => {
      heard.push(data.words)
      throw new PermanentError('not listening')
    })
    await listener.start()

    await speaker.publish(ThingShouted, { words: 'one' })
    await speaker.publish(ThingShouted, { words: 'two' })

    await eventually(() => assert.deepEqual(heard, ['one', 'two']))
  },

  'what does not fit its contract is refused before anything is sent': async ({ process }) => {
    const events = await process({ maxBytes: 1000 })
    events.subscribe(ThingMade, { name: 'none', from: 'beginning' }, () => {})
    await events.start()

    const refused = { code: 'EVENT_INVALID' }
    await assert.rejects(events.publish(ThingMade, made(-1)), refused)
    await assert.rejects(events.publishMany(ThingMade, [made(1), made(-1)]), refused)
    await assert.rejects(events.publish(ThingMade, made(1, 'x'.repeat(2000))), /over the limit of 1000/)

    const [health] = await events.health()
    assert.deepEqual([health?.lag, health?.pending, health?.oldestMs], [0, 0, undefined])
  },
}
