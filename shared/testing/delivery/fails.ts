import assert from 'node:assert/strict'
import { DependencyError, PermanentError } from '../../events/errors.ts'
import { eventually } from '../eventually.ts'
import { ThingMade } from './contracts.ts'
import { SOON, type Stage } from './stage.ts'

type Scene = (stage: Stage) => Promise<void>

const made = (n: number, of = 'wood') => ({ n, of })

/** What happens when a handler fails. */
export const fails: Readonly<Record<string, Scene>> = {
  'a failed event is tried again without holding up the others': async ({ process }) => {
    const events = await process()
    const seen: string[] = []
    events.subscribe(ThingMade, { name: 'retry', concurrency: 1, backoff: SOON }, ({ data, attempt }) => {
      seen.push(`${data.n}.${attempt}`)
      if (data.n === 1 && attempt < 3) throw new Error('not yet')
    })
    await events.start()

    await events.publishMany(ThingMade, [made(1), made(2)])

    await eventually(() => assert.deepEqual(seen, ['1.1', '2.1', '1.2', '1.3']))
    await eventually(async () => {
      const [health] = await events.health()
      assert.deepEqual([health?.lag, health?.pending, health?.due, health?.dead], [0, 0, 0, 0])
    })
  },

  'an event that keeps failing becomes a dead letter that says why': async ({ process }) => {
    const events = await process()
    events.subscribe(ThingMade, { name: 'fails', attempts: 3, backoff: SOON }, () => {
      throw new TypeError('no such thing')
    })
    await events.start()

    const { id, entryId } = await events.publish(ThingMade, made(1))

    const [letter] = await eventually(async () => {
      const { items } = await events.deadLetters.list('fails')
      assert.equal(items.length, 1)
      return items
    })
    assert.equal(letter?.reason, 'failed')
    assert.equal(letter?.error, 'no such thing')
    assert.match(letter?.stack ?? '', /TypeError/)
    assert.equal(letter?.attempts, 3)
    assert.equal(letter?.eventId, id)
    assert.equal(letter?.origin, entryId)
    assert.deepEqual(JSON.parse(letter?.fields.data ?? ''), { n: 1, of: 'wood' })
  },

  'a permanent error is a dead letter at once': async ({ process }) => {
    const events = await process()
    let calls = 0
    events.subscribe(ThingMade, { name: 'permanent' }, () => {
      calls++
      throw new PermanentError('never')
    })
    await events.start()

    await events.publish(ThingMade, made(1))

    await eventually(async () => {
      const { items } = await events.deadLetters.list('permanent')
      assert.deepEqual(
        items.map(({ reason, attempts }) => [reason, attempts]),
        [['permanent', 1]],
      )
    })
    assert.equal(calls, 1)
  },

  'a handler that takes too long has failed, and its signal says so': async ({ process }) => {
    const events = await process()
    const aborted: string[] = []
    const options = { name: 'slow', timeoutMs: 30, attempts: 2, backoff: SOON }
    events.subscribe(ThingMade, options, (_event, { signal }) => {
      signal.addEventListener('abort', () => aborted.push((signal.reason as Error).message))
      return new Promise(() => {})
    })
    await events.start()

    await events.publish(ThingMade, made(1))

    await eventually(async () => {
      const { items } = await events.deadLetters.list('slow')
      assert.deepEqual(
        items.map(({ reason }) => reason),
        ['EVENT_HANDLER_TIMEOUT'],
      )
    })
    assert.deepEqual(aborted, Array(2).fill('the handler did not finish within 30 ms'))
  },

  'a dependency that is down pauses the subscription and costs no attempt': async ({ process }) => {
    const events = await process()
    let down = true
    let calls = 0
    const attempts: number[] = []
    events.subscribe(ThingMade, { name: 'needy', attempts: 2, pauseMs: 10 }, ({ attempt }) => {
      calls++
      if (down) throw new DependencyError('down')
      attempts.push(attempt)
    })
    await events.start()

    await events.publishMany(
      ThingMade,
      Array.from({ length: 50 }, (_, n) => made(n)),
    )
    await eventually(() => assert.ok(calls > 5))
    down = false

    await eventually(() => assert.deepEqual(attempts, Array(50).fill(1)))
    assert.deepEqual((await events.deadLetters.list('needy')).items, [])
  },

  'many events failing in a row pause the subscription, and none becomes a dead letter': async ({
    process,
  }) => {
    const events = await process()
    let down = true
    let calls = 0
    const handled = new Set<number>()
    const options = {
      name: 'row',
      attempts: 3,
      backoff: SOON,
      pauseAfterFailures: 3,
      pauseMs: 10,
      concurrency: 2,
    }
    events.subscribe(ThingMade, options, ({ data }) => {
      calls++
      if (down) throw new Error('connect ECONNREFUSED')
      handled.add(data.n)
    })
    await events.start()

    await events.publishMany(
      ThingMade,
      Array.from({ length: 100 }, (_, n) => made(n)),
    )
    await eventually(() => assert.ok(calls >= 8))
    down = false

    await eventually(() => assert.equal(handled.size, 100))
    assert.deepEqual((await events.deadLetters.list('row')).items, [])
  },
}
