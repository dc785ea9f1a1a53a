import assert from 'node:assert/strict'
import { eventually } from '../eventually.ts'
import { ThingMade, ThingMadeLater } from './contracts.ts'
import { SOON, type Stage } from './stage.ts'

type Scene = (stage: Stage) => Promise<void>

const attributes = {
  specversion: '1.0',
  id: 'f-1',
  source: 'foreign',
  type: 'thing.made',
  data: '{"n":1,"of":"wood"}',
}

async function reasonsOf(
  stage: Stage,
  entries: readonly Record<string, string>[],
): Promise<readonly string[]> {
  const events = await stage.process()
  const seen: number[] = []
  events.subscribe(ThingMade, { name: 'reads', from: 'beginning' }, ({ data }) => void seen.push(data.n))
  await events.start()
  for (const [at, entry] of entries.entries())
    await stage.write('thing', { ...entry, ...('id' in entry && { id: `f-${at}` }) })
  await stage.write('thing', { ...attributes, id: 'last', data: '{"n":99,"of":"wood"}' })
  await eventually(() => assert.deepEqual(seen, [99]))
  return eventually(async () => {
    const { items } = await events.deadLetters.list('reads')
    assert.equal(items.length, entries.length)
    return items.map(({ reason }) => reason)
  })
}

/** What happens to events of other versions, and to what is no event at all. */
export const versions: Readonly<Record<string, Scene>> = {
  'an entry of a subscribed type that cannot be read is a dead letter, and the loop lives on': async (
    stage,
  ) => {
    const { id: _, ...withoutId } = attributes
    const { type: __, ...withoutType } = attributes
    const { data: ___, ...withoutData } = attributes
    const broken = { ...attributes, data: '{broken' }

    const reasons = await reasonsOf(stage, [withoutId, withoutType, withoutData, broken, { nonsense: 'yes' }])

    assert.deepEqual(reasons, Array(5).fill('EVENT_UNDECODABLE'))
  },

  'an entry that breaks its schema is a dead letter that names the path': async (stage) => {
    const reasons = await reasonsOf(stage, [{ ...attributes, data: '{"n":-1}' }])

    assert.deepEqual(reasons, ['EVENT_INVALID'])
  },

  'an unreadable entry of another type is skipped': async (stage) => {
    const reasons = await reasonsOf(stage, [])
    assert.deepEqual(reasons, [])

    await stage.write('thing', { type: 'thing.unheard', data: '{broken' })
    const events = await stage.process()
    events.subscribe(ThingMade, { name: 'reads' }, () => {})
    await events.start()

    await eventually(async () => {
      const [health] = await events.health()
      assert.deepEqual([health?.lag, health?.pending, health?.dead], [0, 0, 0])
    })
  },

  'an entry without version, time and key is version 1 of now': async (stage) => {
    const events = await stage.process()
    const seen: { key: string; time: string }[] = []
    events.subscribe(ThingMade, { name: 'minimal' }, ({ key, time }) => void seen.push({ key, time }))
    await events.start()

    await stage.write('thing', attributes)

    await eventually(() => assert.equal(seen.length, 1))
    assert.equal(seen[0]?.key, 'wood')
    assert.ok(Math.abs(Date.parse(seen[0]?.time ?? '') - Date.now()) < 60_000)
  },

  'an older version arrives as the version the handler declared': async ({ process, write }) => {
    const events = await process()
    const seen: unknown[] = []
    events.subscribe(ThingMadeLater, { name: 'later' }, ({ data }) => void seen.push(data))
    events.subscribe(ThingMadeLater.at(1), { name: 'earlier' }, ({ data }) => void seen.push(data))
    await events.start()

    await write('thing', attributes)

    const both = [
      { n: 1, of: 'wood' },
      { number: 1, of: 'wood' },
    ]
    await eventually(() =>
      assert.deepEqual(
        seen.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
        both,
      ),
    )
  },

  'a newer version waits, parked, for a process that knows it': async ({ process }) => {
    const old = await process()
    const seen: string[] = []
    old.subscribe(ThingMade, { name: 'rolling' }, ({ data }) => void seen.push(`old ${data.n}`))
    await old.start()

    const late = await process()
    await late.publish(ThingMadeLater, { number: 1, of: 'wood' })
    await eventually(async () => {
      const [health] = await old.health()
      assert.deepEqual([health?.parked, health?.pending, health?.dead], [1, 0, 0])
    })
    late.subscribe(ThingMadeLater, { name: 'rolling' }, ({ data }) => void seen.push(`new ${data.number}`))
    await late.start()

    await eventually(() => assert.deepEqual(seen, ['new 1']))
    assert.equal((await old.deadLetters.list('rolling')).items.length, 0)
  },

  'in an ordered subscription a parked event holds its key': async ({ process, write }) => {
    const old = await process()
    const seen: string[] = []
    old.subscribe(ThingMade, { name: 'parked', ordered: true }, ({ data }) => void seen.push(`old ${data.n}`))
    await old.start()
    const wood = { ...attributes, partitionkey: 'wood' }
    await write('thing', { ...wood, id: 'v2', dataversion: '2', data: '{"number":1,"of":"wood"}' })
    await write('thing', { ...wood, id: 'v1', data: '{"n":2,"of":"wood"}' })
    await write('thing', { ...wood, id: 'else', partitionkey: 'iron', data: '{"n":3,"of":"iron"}' })
    await eventually(() => assert.deepEqual(seen, ['old 3']))
    await old.close()

    const late = await process()
    late.subscribe(
      ThingMadeLater,
      { name: 'parked', ordered: true },
      ({ data }) => void seen.push(`new ${data.number}`),
    )
    await late.start()

    await eventually(() => assert.deepEqual(seen, ['old 3', 'new 1', 'new 2']))
  },

  'a held back version is what travels, and what older services read': async ({ process }) => {
    const other = await process({ service: 'other' })
    const seen: string[] = []
    other.subscribe(
      ThingMade,
      { name: 'still-v1', backoff: SOON },
      ({ data }) => void seen.push(`v1 ${data.n}`),
    )
    await other.start()
    const events = await process({ publishVersions: { 'thing.made': 1 } })
    events.subscribe(
      ThingMadeLater,
      { name: 'already-v2' },
      ({ data }) => void seen.push(`v2 ${data.number}`),
    )
    await events.start()

    await events.publish(ThingMadeLater, { number: 7, of: 'wood' })

    await eventually(() => assert.deepEqual(seen.toSorted(), ['v1 7', 'v2 7']))
  },
}
