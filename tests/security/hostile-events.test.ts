import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { eventually } from '@kiln/shared/testing'
import { Redis } from 'ioredis'
import { logInAdmin, type RunningService, startService } from '../support/process.ts'
import { hasRedis, redisUrl } from '../support/redis.ts'

setDefaultTimeout(60_000)

const data = {
  request_id: 'r-1',
  applicant_id: 7,
  category: 'repairs',
  description: '',
  address: 'Some street 1',
  priority: 'normal',
  created_at: '2026-01-01T00:00:00Z',
}
const good = {
  specversion: '1.0',
  id: 'good',
  source: 'stranger',
  type: 'request.created',
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
  ['a field of another type', { data: JSON.stringify({ ...data, applicant_id: '7' }) }],
  ['a number beyond all bounds', { data: JSON.stringify(data).replace(':7,', ':1e999,') }],
  ['a field that is too long', { data: JSON.stringify({ ...data, category: 'x'.repeat(1_000_000) }) }],
  ['a field that is not there', { data: JSON.stringify({ ...data, address: undefined }) }],
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
const skipped = ['__proto__', 'constructor', 'toString', 'request.unheard', '\0', 'x'.repeat(100_000)]

describe.skipIf(!hasRedis)('entries of somebody who may write to Redis', () => {
  let service: RunningService
  let token: string
  let redis: Redis
  beforeAll(async () => {
    service = await startService()
    token = await logInAdmin(service)
    redis = new Redis(redisUrl)
  })
  afterAll(async () => {
    redis.disconnect()
    await service.close()
  })

  const keyOf = (name: string) => `${service.env.SERVICE_EVENTS_PREFIX}:${name}`
  const get = (path: string) =>
    fetch(`${service.url}/api/events/subscriptions${path}`, { headers: { authorization: `Bearer ${token}` } })
  const add = (id: string, changes: Fields = {}) => {
    const fields = Object.entries({ ...good, id, ...changes }).flatMap(([name, value]) =>
      value === undefined ? [] : [name, value],
    )
    return redis.xadd(keyOf('{request}'), '*', ...fields)
  }
  const notified = async () => {
    const entries = await redis.xrange(keyOf('{notification}'), '-', '+')
    return entries.map(([, fields]) => fields[fields.indexOf('id') + 1]?.replace('.notification', ''))
  }
  const subscription = async () => {
    const answer = await get('')
    const { items } = (await answer.json()) as { items: readonly Record<string, unknown>[] }
    return items.find(({ subscription }) => subscription === 'notify-dispatcher')
  }
  const settled = (expected: Record<string, number>) =>
    eventually(
      async () => expect(await subscription()).toMatchObject({ lag: 0, pending: 0, due: 0, ...expected }),
      { timeoutMs: 30_000 },
    )

  test('are set aside or taken as what they are, and whoever reads on goes on', async () => {
    for (const [name, changes] of refused) await add(name, changes)
    for (const [name, changes] of taken) await add(name, changes)
    for (const type of skipped) await add(`skipped ${skipped.indexOf(type)}`, { type })
    await add('parked', { dataversion: '99' })
    await add('the good one after them')

    await settled({ dead_letters: refused.length, parked: 1 })
    expect((await notified()).sort()).toEqual(
      [...taken.map(([name]) => name), 'the good one after them'].sort(),
    )
  })

  test('stand among the dead letters, and are shown as they came', async () => {
    const answer = await get('/notify-dispatcher/dead-letters?limit=100')

    const { items } = (await answer.json()) as { items: readonly { id: string; reason: string }[] }
    const opened = await Promise.all(items.map(({ id }) => get(`/notify-dispatcher/dead-letters/${id}`)))
    expect(answer.status).toBe(200)
    expect(new Set(items.map(({ reason }) => reason))).toEqual(
      new Set(['EVENT_UNDECODABLE', 'EVENT_INVALID']),
    )
    expect(opened.map(({ status }) => status)).toEqual(refused.map(() => 200))
  })

  test('broadcast are thrown away, and live events go on', async () => {
    const channel = keyOf('live:system.health_check')
    const hostile = ['', '{', 'null', '[]', '{"data":1}', '['.repeat(100_000), 'x'.repeat(1_000_000)]

    for (const message of hostile) await redis.publish(channel, message)
    await add('after the broadcasts')

    await eventually(async () => expect(await notified()).toContain('after the broadcasts'))
    expect((await fetch(`${service.url}/live`)).status).toBe(200)
  })

  test('leave one JSON object a line in the log, all of them ours', async () => {
    const lines = await eventually(() => {
      const written = service.output.stdout.split('\n').filter(Boolean)
      expect(written.filter((line) => line.includes('dead letters')).length).toBe(refused.length)
      return written
    })

    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(parsed.filter(({ service: by }) => by !== 'example-service')).toEqual([])
    expect(parsed.filter(({ level }) => level === 'fatal')).toEqual([])
  })
})
