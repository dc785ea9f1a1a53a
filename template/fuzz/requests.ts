import fc from 'fast-check'
import { meaningOf } from './known.ts'
import type { Operation } from './operations.ts'
import { canary, fieldOf, hostileText, hostileValue, nearTo, type Words } from './values.ts'

export const callers = ['nobody', 'forger', 'applicant', 'executor', 'manager', 'admin'] as const
export type Caller = (typeof callers)[number]

export interface FuzzRequest {
  readonly operation: Operation
  readonly caller: Caller
  /** Path and query, encoded. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** Requests for one operation: by anybody, near to its schema, or far from it. */
export function requestsFor(operation: Operation, known: readonly string[]): fc.Arbitrary<FuzzRequest> {
  const words = { known, of: (name: string) => meaningOf(operation, name) }
  return fc.record({
    operation: fc.constant(operation),
    caller: fc.oneof({ weight: 3, arbitrary: fc.constant<Caller>('admin') }, fc.constantFrom(...callers)),
    target: targetOf(operation, words),
    headers: headersOf(operation),
    body: operation.body === undefined ? fc.constant(undefined) : bodyOf(operation.body, words),
  })
}

/** Shown by fast-check for the request that it shrinks to. */
export const describeRequest = ({ operation, caller, target, headers, body }: FuzzRequest) =>
  `${operation.method} ${target} as ${caller}, ${JSON.stringify(headers)}, body ${body ?? 'none'}`

function targetOf({ path, parameters }: Operation, words: Words): fc.Arbitrary<string> {
  const values = Object.fromEntries(
    parameters
      .filter((parameter) => parameter.in !== 'header')
      .map(({ in: place, name, schema }) => {
        const near = fieldOf(name, schema, words).map((value) => encode(String(value)))
        const text = fc.oneof(
          { weight: 3, arbitrary: near },
          hostileText.map(encode),
          fc.constantFrom(...raw),
        )
        // Most of what is hostile there is hostile enough alone.
        return [`${place} ${name}`, place === 'path' ? text.map(asSegment) : fc.option(text, { freq: 1 })]
      }),
  )
  return fc.record(values).chain((given) => {
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => String(given[`path ${name}`]))
    const query = Object.entries(given)
      .filter(([key, value]) => key.startsWith('query ') && value !== null)
      .map(([key, value]) => `${key.slice('query '.length)}=${value}`)
    const extra = fc.constantFrom([], [], [], ['__proto__[role]=admin'], ['limit=1', 'limit=2'], ['%=%&&=;'])
    return extra.map((more) => [filled, [...query, ...more].join('&')].filter(Boolean).join('?'))
  })
}

/** Percent-encoding that no encoder would write. */
const raw = [
  '%',
  '%zz',
  '%00',
  '%ff%fe',
  '%ed%a0%80',
  '%c0%ae%c0%ae',
  '..%2f..%2fetc%2fpasswd',
  '0x10',
  '1e3',
]

const encode = (text: string) => encodeURIComponent(text.toWellFormed())

/** Neither empty nor dots alone, which a client resolves before it sends: that would be another route. */
const asSegment = (text: string) => (/^(\.|%2e)*$/i.test(text) ? '1' : text)

function headersOf({ parameters, body }: Operation): fc.Arbitrary<Record<string, string>> {
  const visible = fc.string({ unit: 'grapheme-ascii', maxLength: 200 }).map((text) => text.trim())
  const names = ['x-correlation-id', 'traceparent', 'x-forwarded-for', 'idempotency-key', 'accept', 'origin']
  const hostile = [
    ...names,
    ...parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name),
  ]
  const types = fc.oneof(
    { weight: 12, arbitrary: fc.constant('application/json') },
    fc.constantFrom(
      'text/plain',
      'multipart/form-data',
      'application/x-www-form-urlencoded',
      'application/json; charset=x',
    ),
  )
  return fc
    .tuple(fc.dictionary(fc.constantFrom(...hostile), visible, { maxKeys: 2, noNullPrototype: true }), types)
    .map(([headers, type]) => ({ ...headers, ...(body !== undefined && { 'content-type': type }) }))
}

function bodyOf(schema: NonNullable<Operation['body']>, words: Words): fc.Arbitrary<string | undefined> {
  const near = nearTo(schema, words)
  const names = [
    ...Object.keys(schema.properties ?? {}),
    'id',
    'role',
    'password_hash',
    '__proto__',
    'constructor',
  ]
  const changed = fc.tuple(near, fc.constantFrom(...names), hostileValue).map(([value, name, hostile]) => {
    const text = JSON.stringify({ ...(value as object), [`${canary}`]: 0 })
    return text.replace(`"${canary}":0`, () => `${JSON.stringify(name)}:${JSON.stringify(hostile)}`)
  })
  return fc.oneof(
    { weight: 4, arbitrary: near.map((value) => JSON.stringify(value)) },
    { weight: 4, arbitrary: changed },
    { weight: 1, arbitrary: hostileValue.map((value) => JSON.stringify(value)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('{', '[[[[', '{"a":1,"a":2}', 'null', '\ufeff{}', '[]'.repeat(50), ''),
    },
    { weight: 1, arbitrary: fc.constant(undefined) },
  )
}
