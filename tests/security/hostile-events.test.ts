import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { defineEvent } from '@kiln/shared'
import { HealthChecked } from '@kiln/shared/contracts/system'
import { createLogger } from '@kiln/shared/observability'
import { eventually } from '@kiln/shared/testing'
import { Type } from '@sinclair/typebox'
import { Redis } from 'ioredis'
import { createTestKeys, hasRedis, redisUrl } from '../support/redis.ts'
import { createTestService, type TestService } from '../support/service.ts'

setDefaultTimeout(60_000)

/** An event of the test's own, so that it stands whatever the service consumes. */
const MeterRead = defineEvent({
  name: 'meter.read',
  delivery: 'stream',
  key: ({ meter_id }) => `meter/${meter_id}`,
  versions: {
    1: Type.Object({
      meter_id: Type.String({ minLength: 1 }),
      litres: Type.Integer({ minimum: 0 }),
      place: Type.String({ maxLength: 300 }),
      read_at: Type.String({ format: 'date-time' }),
    }),
  },
})
const data = { meter_id: 'm-1', litres: 7, place: 'Some street 1', read_at: '2026-01-01T00:00:00Z' }
const good = {
  specversion: '1.0',
  id: 'good',
  source: 'stranger',
  type: 'meter.read',
  time: '2026-01-01T00:00:00Z',
  datacontenttype: 'application/json',
  data: JSON.stringify(data),
}
type Fields = Readonly<Record<string, string | undefined>>

/** Somebody who may write to Redis, and does not care for what is agreed. */
const refused: readonly (readonly [string, Fields])[] = [
  ['no CloudEvent', { type: undefined, specversion: undefined, surprise: 'x' }],
  ['no data', { data: undefined }],
  ['no id', { id: undefined }],
  ['an empty source', { source: '' }],
  ['another specversion', { specversion: '0.3' }],
  ['another content type', { datacontenttype: 'application/xml' }],
  ['a time that is none', { time: 'yesterday\n{"level":"fatal"}' }],
  ['a version that is no number', { dataversion: 'latest' }],
  ['a version below one', { dataversion: '-1' }],
  ['half a version', { dataversion: '1.5' }],
  ['data that is no JSON', { data: '{' }],
  ['data of another type', { data: '[]' }],
  ['data that is null', { data: 'null' }],
  ['a field of another type', { data: JSON.stringify({ ...data, litres: '7' }) }],
  ['a number beyond all bounds', { data: JSON.stringify(data).replace(':7,', ':1e999,') }],
  ['a field that is too long', { data: JSON.stringify({ ...data, place: 'x'.repeat(1_000_000) }) }],
  ['a field that is not there', { data: JSON.stringify({ ...data, place: undefined }) }],
  ['nesting without end', { data: '['.repeat(200_000) }],
  ['notes of ours, forged', { ':origin': 'nowhere', ':attempts': 'many', time: undefined }],
]
/** Not what is expected, and no reason to refuse them. */
const taken: readonly (readonly [string, Fields])[] = [
  [
    'properties of every object',
    { data: JSON.stringify(data).replace('{', '{"__proto__":{"role":"admin"},') },
  ],
  ['fields named like those of every object', { __proto__x: '1', constructor: '1', toString: '1' }],
  [
    'attributes full of line breaks',
    { correlationid: 'a\r\nset-cookie: b=c', traceparent: '\n', tracestate: '\0' },
  ],
  ['a key of a megabyte', { partitionkey: 'k'.repeat(1_000_000) }],
  ['fields nobody knows', Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`x${n}`, 'y']))],
]
const skipped = ['__proto__', 'constructor', 'toString', 'meter.unheard', '\0', 'x'.repeat(100_000)]

describe.skipIf(!hasRedis)('entries of somebody who may write to Redis', () => {
  const keys = createTestKeys()
  const handled: string[] = []
  const heard: string[] = []
  const lines: string[] = []
  let service: TestService
  let token: string
  let redis: Redis
  beforeAll(async () => {
    const destination = { write: (line: string) => void lines.push(line) }
    service = await createTestService(
      { SERVICE_EVENTS_PREFIX: keys.prefix },
      {
        events: {
          redisUrl,
          declare(events) {
            events.subscribe(MeterRead, { name: 'meters' }, ({ id }) => void handled.push(id))
            events.listen(HealthChecked, ({ id }) => void heard.push(id))
          },
          logging: createLogger({ service: 'test', level: 'info', format: 'json', destination }),
        },
      },
    )
    token = (await service.signIn('admin')).token
    redis = new Redis(redisUrl)
  })
  afterAll(async () => {
    redis.disconnect()
    await service.close()
    await keys.drop()
  })

  const keyOf = (name: string) => `${keys.prefix}:${name}`
  const get = <Item>(path: string) =>
    service.call<{ readonly items: readonly Item[] }>('GET', `/api/events/subscriptions${path}`, { token })
  const add = (id: string, changes: Fields = {}) => {
    const fields = Object.entries({ ...good, id, ...changes }).flatMap(([name, value]) =>
      value === undefined ? [] : [name, value],
    )
    return redis.xadd(keyOf('{meter}'), '*', ...fields)
  }

  test('are set aside or taken as what they are, and whoever reads on goes on', async () => {
    for (const [name, changes] of refused) await add(name, changes)
    for (const [name, changes] of taken) await add(name, changes)
    for (const type of skipped) await add(`skipped ${skipped.indexOf(type)}`, { type })
    await add('parked', { dataversion: '99' })
    await add('the good one after them')

    const settled = { lag: 0, pending: 0, due: 0, dead_letters: refused.length, parked: 1 }
    await eventually(
      async () => {
        const { body } = await get('')
        expect(body.items).toEqual([expect.objectContaining({ subscription: 'meters', ...settled })])
      },
      { timeoutMs: 30_000 },
    )
    expect(handled.toSorted()).toEqual([...taken.map(([name]) => name), 'the good one after them'].sort())
  })

  test('stand among the dead letters, and are shown as they came', async () => {
    const { status, body } = await get<{ id: string; reason: string }>('/meters/dead-letters?limit=100')

    const opened = await Promise.all(body.items.map(({ id }) => get(`/meters/dead-letters/${id}`)))
    expect(status).toBe(200)
    expect(new Set(body.items.map(({ reason }) => reason))).toEqual(
      new Set(['EVENT_UNDECODABLE', 'EVENT_INVALID']),
    )
    expect(opened.map(({ status }) => status)).toEqual(refused.map(() => 200))
  })

  test('broadcast are thrown away, and live events go on', async () => {
    const channel = keyOf('live:system.health_check')
    const hostile = ['', '{', 'null', '[]', '{"data":1}', '['.repeat(100_000), 'x'.repeat(1_000_000)]
    const health = { service: 'test', instance: 'test', status: 'healthy', checked_at: good.time } as const

    for (const message of hostile) expect(await redis.publish(channel, message)).toBe(1)
    await service.events.events.publish(HealthChecked, health, { id: 'after the broadcasts' })
    await add('after the broadcasts')

    await eventually(() => {
      expect(heard).toEqual(['after the broadcasts'])
      expect(handled).toContain('after the broadcasts')
    })
  })

  test('leave one JSON object a line in the log, all of them ours', () => {
    const parsed = lines.map((line) => {
      expect(line.indexOf('\n')).toBe(line.length - 1)
      return JSON.parse(line) as Record<string, unknown>
    })

    expect(lines.filter((line) => line.includes('dead letters')).length).toBe(refused.length)
    expect(parsed.filter(({ service: by }) => by !== 'test')).toEqual([])
    expect(parsed.filter(({ level }) => level === 'fatal')).toEqual([])
  })
})
