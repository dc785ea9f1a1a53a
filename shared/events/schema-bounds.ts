import type { Schema, Side } from './schema-reading.ts'

const LEAST = { minLength: 'texts', minItems: 'lists', minProperties: 'objects' } as const
const MOST = { maxLength: 'texts', maxItems: 'lists', maxProperties: 'objects' } as const

/** Where a writer's limits of one type go beyond the reader's, in words. */
export function findBoundProblems(writer: Side, reader: Side): readonly string[] {
  const from = writer.schema
  const to = reader.schema
  const problems: string[] = []
  const beyond = (theirs: string, ours: string) =>
    problems.push(`${writer.called} allows ${theirs}, ${reader.called} only ${ours}`)

  for (const [key, noun] of Object.entries(LEAST)) {
    const [least, needed] = [asNumber(from[key], 0), asNumber(to[key], 0)]
    if (least < needed) beyond(`${noun} as short as ${least}`, `from ${needed}`)
  }
  for (const [key, noun] of Object.entries(MOST)) {
    const [most, taken] = [asNumber(from[key], Infinity), asNumber(to[key], Infinity)]
    if (most > taken)
      beyond(most === Infinity ? `${noun} of any length` : `${noun} up to ${most}`, `up to ${taken}`)
  }
  if (isBelow(lowest(from), lowest(to))) beyond(showEnd(lowest(from), 'from'), showEnd(lowest(to), 'from'))
  if (isBelow(highest(to), highest(from))) beyond(showEnd(highest(from), 'to'), showEnd(highest(to), 'to'))
  if (!isMultiple(from, to)) beyond('other steps', `multiples of ${String(to.multipleOf)}`)
  if (to.uniqueItems === true && from.uniqueItems !== true) beyond('repeated elements', 'distinct ones')
  for (const key of ['pattern', 'format']) {
    if (to[key] !== undefined && to[key] !== from[key])
      beyond(from[key] === undefined ? `any ${key}` : `the ${key} ${String(from[key])}`, String(to[key]))
  }
  return problems
}

/** An end of a range; `rank` moves an end that is itself left out: 1 just above its value, -1 just below. */
interface End {
  readonly value: number
  readonly rank: -1 | 0 | 1
}

function lowest({ minimum, exclusiveMinimum }: Schema): End {
  const closed: End = { value: asNumber(minimum, -Infinity), rank: 0 }
  const open: End = { value: asNumber(exclusiveMinimum, -Infinity), rank: 1 }
  return exclusiveMinimum !== undefined && isBelow(closed, open) ? open : closed
}

function highest({ maximum, exclusiveMaximum }: Schema): End {
  const closed: End = { value: asNumber(maximum, Infinity), rank: 0 }
  const open: End = { value: asNumber(exclusiveMaximum, Infinity), rank: -1 }
  return exclusiveMaximum !== undefined && isBelow(open, closed) ? open : closed
}

const isBelow = (a: End, b: End) => a.value < b.value || (a.value === b.value && a.rank < b.rank)

function showEnd({ value, rank }: End, word: 'from' | 'to'): string {
  if (!Number.isFinite(value)) return 'any number'
  if (rank === 0) return `numbers ${word} ${value}`
  return `numbers ${word === 'from' ? 'above' : 'below'} ${value}`
}

function isMultiple(from: Schema, to: Schema): boolean {
  if (to.multipleOf === undefined) return true
  const step = asNumber(from.multipleOf, from.type === 'integer' ? 1 : Number.NaN)
  return Number.isInteger(step / asNumber(to.multipleOf, Number.NaN))
}

const asNumber = (value: unknown, otherwise: number) => (typeof value === 'number' ? value : otherwise)
