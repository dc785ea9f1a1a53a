import assert from 'node:assert/strict'
import { eventually } from '../eventually.ts'
import { ThingMade, ThingSold } from './contracts.ts'
import { SOON, type Stage } from './stage.ts'

type Scene = (stage: Stage) => Promise<void>

const made = (n: number) => ({ n, of: 'wood' })

/** How past events are handled again. */
export const replays: Readonly<Record<string, Scene>> = {
  'a replay hands past events to one subscription, marked, and leaves the live one alone': async ({
    process,
  }) => {
    const events = await process()
    const seen: string[] = []
    events.subscribe(
      [ThingMade, ThingSold],
      { name: 'again', replayable: true },
      ({ type, data, replay }) => {
        seen.push(`${type} ${data.n} ${replay}`)
      },
    )
    let others = 0
    events.subscribe(ThingMade, { name: 'other' }, () => void others++)
    await events.start()
    await events.publishMany(ThingMade, [made(1), made(2)])
    await events.publish(ThingSold, made(3))
    await eventually(() => assert.equal(seen.length, 3))
    seen.length = 0

    const dry = await events.replay({ subscription: 'again', event: ThingMade, dryRun: true })
    const { id, total } = await events.replay({ subscription: 'again', event: ThingMade })

    await eventually(async () => {
      const [job] = await events.replays()
      assert.deepEqual([job?.id, job?.status, job?.done], [id, 'done', 2])
    })
    assert.deepEqual([dry.total, total], [2, 2])
    assert.deepEqual(seen.toSorted(), ['thing.made 1 true', 'thing.made 2 true'])
    assert.equal(others, 2)
  },

  'a replay takes the last so many, or from an entry, or at most so many': async ({ process }) => {
    const events = await process()
    events.subscribe(ThingMade, { name: 'counted', replayable: true }, () => {})
    await events.start()
    const published = await events.publishMany(
      ThingMade,
      Array.from({ length: 10 }, (_, n) => made(n)),
    )
    const count = async (which: object) => {
      const { total } = await events.replay({ subscription: 'counted', dryRun: true, ...which })
      return total
    }

    assert.equal(await count({}), 10)
    assert.equal(await count({ last: 3 }), 3)
    assert.equal(await count({ maxCount: 4 }), 4)
    assert.equal(await count({ from: published[7]?.entryId }), 3)
    assert.equal(await count({ from: new Date(Date.now() + 60_000) }), 0)
    assert.equal(await count({ to: new Date(Date.now() - 60_000) }), 0)
    assert.equal(await count({ last: 3, to: new Date() }), 3)
    for (const early of [new Date(0), new Date('1969-12-31T23:59:59.999Z'), new Date(-8.64e15)]) {
      assert.equal(await count({ from: early }), 10)
      assert.equal(await count({ to: early }), 0)
      assert.equal(await count({ last: 3, to: early }), 0)
    }
  },

  'a replay goes on in another process after its own has ended': async ({ process }) => {
    const seen: number[] = []
    const start = async () => {
      const events = await process()
      const options = { name: 'resumed', replayable: true, concurrency: 1 }
      events.subscribe(ThingMade, options, async ({ data, replay }) => {
        if (!replay) return
        seen.push(data.n)
        await new Promise((resolve) => setTimeout(resolve, 2))
      })
      await events.start()
      return events
    }
    const first = await start()
    await first.publishMany(
      ThingMade,
      Array.from({ length: 200 }, (_, n) => made(n)),
    )
    await first.replay({ subscription: 'resumed' })
    await eventually(() => assert.ok(seen.length > 20))
    await first.close()
    assert.ok(seen.length < 200)

    const second = await start()

    await eventually(async () => assert.equal((await second.replays())[0]?.status, 'done'))
    assert.deepEqual(
      seen,
      Array.from({ length: 200 }, (_, n) => n),
    )
  },

  'a replayed event that fails is retried and ends in the dead letters of its subscription': async ({
    process,
  }) => {
    const events = await process()
    events.subscribe(
      ThingMade,
      { name: 'failing', replayable: true, attempts: 2, backoff: SOON },
      ({ replay, data }) => {
        if (replay && data.n === 1) throw new Error('only in replay')
      },
    )
    await events.start()
    await events.publishMany(ThingMade, [made(1), made(2)])
    await eventually(async () => assert.equal((await events.health())[0]?.lag, 0))

    await events.replay({ subscription: 'failing' })

    await eventually(async () => assert.equal((await events.replays())[0]?.status, 'done'))
    const { items } = await events.deadLetters.list('failing')
    assert.deepEqual(
      items.map(({ error, attempts }) => [error, attempts]),
      [['only in replay', 2]],
    )
  },

  'what is not declared replayable is not replayed': async ({ process }) => {
    const events = await process()
    events.subscribe(ThingMade, { name: 'once' }, () => {})

    const refused = { code: 'EVENT_SUBSCRIPTION_INVALID' }
    await assert.rejects(events.replay({ subscription: 'once' }), refused)
    await assert.rejects(events.replay({ subscription: 'unknown' }), refused)
  },
}
