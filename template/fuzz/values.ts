import fc from 'fast-check'
import type { Schema } from './operations.ts'

/** In many a text that is sent: what is not valid is not said back. */
export const canary = 'zq-canary-7f'

const attacks = [
  "' or 1=1 --",
  "'); drop table users; --",
  '1; select pg_sleep(10)',
  '../../../../etc/passwd',
  '\r\nset-cookie: a=b',
  '\n{"level":"error","msg":"forged"}',
  '\u001b[2J\u001b[31m',
  '\0',
  '\ud800',
  '\udfff\ud800',
  '\u202e\u2028\u2029\ufeff',
  '__proto__',
  'constructor.prototype',
  '%00%0d%0a%c0%ae',
  '<script>alert(1)</script>',
  'a'.repeat(5_000),
  `${'a@'.repeat(100)}.`,
  '9'.repeat(400),
]

const numbers = [0, -0, -1, 1, 1.5, 2 ** 31, 2 ** 53, 2 ** 63, 1e308, -1e308, Number.MIN_VALUE]

export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...attacks).map((attack) => `${canary}${attack}`),
  fc.constantFrom(...attacks),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constant(''),
)

const deep = fc.integer({ min: 2, max: 200 }).map((depth) => {
  let value: unknown = canary
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { key: value }
  return value
})

const polluting = fc.constantFrom(
  '{"__proto__":{"role":"admin"}}',
  '{"constructor":{"prototype":{"role":"admin"}}}',
)

/** Of any type, as JSON can carry it. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(...numbers, null, true, false, [], {}),
  deep,
  polluting.map((text) => JSON.parse(text) as unknown),
  fc.jsonValue(),
)

/** Texts that mean something: to this service, and as a field of that name. */
export interface Words {
  readonly known: readonly string[]
  readonly of: (name: string) => string | undefined
}

/** Values of a schema, or near to it. */
export function nearTo(schema: Schema, words: Words): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((variant) => nearTo(variant, words)))
  switch (schema.type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number':
      return numberOf(schema)
    case 'array':
      return fc.array(nearTo(schema.items ?? {}, words), { maxLength: 5 })
    case 'object':
      return objectOf(schema, words)
    case 'string':
      return textOf(schema, words)
    default:
      return hostileValue
  }
}

/** With each of its optional fields or not; and with few of them, since many together seldom make sense. */
function objectOf({ properties = {}, required = [] }: Schema, words: Words): fc.Arbitrary<unknown> {
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, child]) => [name, fieldOf(name, child, words)]),
  )
  const optional = Object.keys(fields).filter((name) => !required.includes(name))
  const few = fc.subarray(optional, { maxLength: Math.min(2, optional.length) }).chain((chosen) => {
    const isThere = (name: string) => required.includes(name) || chosen.includes(name)
    return fc.record(Object.fromEntries(Object.entries(fields).filter(([name]) => isThere(name))))
  })
  return fc.oneof(fc.record(fields, { requiredKeys: [...required] }), few)
}

/** More often than not what is known to be good for it. */
export function fieldOf(name: string, schema: Schema, words: Words): fc.Arbitrary<unknown> {
  const known = words.of(name)
  if (known === undefined) return nearTo(schema, words)
  const good = fc.constant(schema.type === 'array' ? [known] : known)
  return fc.oneof({ weight: 3, arbitrary: good }, nearTo(schema, words))
}

function numberOf({ minimum = -1000, maximum = 1000 }: Schema): fc.Arbitrary<number> {
  const near = fc.integer({ min: minimum, max: Math.min(maximum, minimum + 60) })
  return fc.oneof({ weight: 4, arbitrary: near }, fc.constantFrom(minimum, maximum))
}

function textOf({ format, pattern, minLength = 0, maxLength = 60 }: Schema, words: Words) {
  if (format === 'date-time')
    return fc.oneof(
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      fc.constant('infinity'),
    )
  const long = Math.min(maxLength, 60)
  const own = [
    fc.constantFrom(...words.known),
    fc.string({ unit: 'grapheme', minLength: Math.min(minLength, long), maxLength: long }),
  ]
  return pattern === undefined
    ? fc.oneof(...own)
    : fc.oneof(fc.stringMatching(new RegExp(pattern, 'u')), ...own)
}
