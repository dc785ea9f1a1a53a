import type { TSchema } from '@sinclair/typebox'
import type { FieldError } from '../errors.ts'

export interface BodyLimits {
  /** How deep objects and arrays may nest. */
  readonly maxDepth: number
}

const maxErrors = 20
const maxPathLength = 200

/** Values that are valid JSON, yet would be changed or refused on their way into PostgreSQL or back out. */
export function unsafeValues(body: unknown, { maxDepth }: BodyLimits): FieldError[] {
  const errors: FieldError[] = []
  const pending: { value: unknown; path: string; depth: number }[] = [{ value: body, path: '', depth: 0 }]

  for (let next = pending.pop(); next !== undefined && errors.length < maxErrors; next = pending.pop()) {
    const { value, path, depth } = next
    const message =
      problemOf(value) ?? (depth > maxDepth ? `must not nest deeper than ${maxDepth}` : undefined)
    if (message !== undefined) {
      errors.push({ path: path.slice(0, maxPathLength), message })
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, child] of Object.entries(value)) {
        if (problemOf(key))
          errors.push({ path, message: 'must not have a key with NUL or broken characters' })
        pending.push({ value: child, path: pointer(path, key), depth: depth + 1 })
      }
    }
  }
  return errors
}

function problemOf(value: unknown): string | undefined {
  if (typeof value === 'string') {
    if (value.includes('\0')) return 'must not contain NUL'
    if (!value.isWellFormed()) return 'must be well-formed Unicode'
  }
  if (
    typeof value === 'number' &&
    (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
  ) {
    return 'must be a number that fits 53 bits'
  }
  return undefined
}

/**
 * Whether an object of a JSON text has two members of one name, however that is spelt. Parsers differ in which of them they
 * take, so whoever looked at the text before us may have seen another value.
 *
 * @param value what `JSON.parse` made of it.
 * @see https://datatracker.ietf.org/doc/html/rfc8259#section-4
 */
export function repeatsName(json: string, value: unknown): boolean {
  return membersIn(json) !== membersOf(value)
}

const [quote, colon, backslash] = [0x22, 0x3a, 0x5c]

/** Each member has a colon, and outside of strings nothing else has one. */
function membersIn(json: string): number {
  let members = 0
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at)
    if (code === colon) members += 1
    else if (code === quote) at = endOfString(json, at)
  }
  return members
}

/** Where the string that begins at `start` ends: at the first quote that no backslash, or an even number of them, is before. */
function endOfString(json: string, start: number): number {
  let end = json.indexOf('"', start + 1)
  for (; json.charCodeAt(end - 1) === backslash; end = json.indexOf('"', end + 1)) {
    let before = end - 1
    while (json.charCodeAt(before) === backslash) before -= 1
    if ((end - before) % 2 === 1) break
  }
  return end
}

function membersOf(body: unknown): number {
  let members = 0
  const pending = isObject(body) ? [body] : []
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (Array.isArray(next)) {
      for (const item of next) if (isObject(item)) pending.push(item)
    } else {
      const names = Object.keys(next)
      members += names.length
      for (const name of names) {
        const child = next[name]
        if (isObject(child)) pending.push(child)
      }
    }
  }
  return members
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/**
 * Fields that a schema does not name, wherever it lists properties.
 *
 * Elysia drops them in silence before it validates (its `normalize`): a client would believe that they were saved.
 */
export function unknownFields(value: unknown, schema: TSchema, path = ''): FieldError[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) {
    const { items } = schema.anyOf?.find(({ type }: TSchema) => type === 'array') ?? schema
    return items
      ? value.slice(0, 1000).flatMap((item, index) => unknownFields(item, items, `${path}/${index}`))
      : []
  }
  if (schema.anyOf) return unknownInUnion(value, schema.anyOf, path)
  const { properties, additionalProperties, patternProperties } = schema.allOf ? merged(schema.allOf) : schema
  if (!properties || additionalProperties || patternProperties) return []
  return Object.entries(value)
    .flatMap(([key, child]) =>
      Object.hasOwn(properties, key)
        ? unknownFields(child, properties[key], pointer(path, key))
        : [{ path: pointer(path, key).slice(0, maxPathLength), message: 'is not a known field' }],
    )
    .slice(0, maxErrors)
}

/** What the variant that fits best does not know. */
function unknownInUnion(value: object, variants: readonly TSchema[], path: string): FieldError[] {
  const fitting = variants.filter(({ type, anyOf, allOf }) => type === 'object' || anyOf || allOf)
  const found = fitting.map((variant) => unknownFields(value, variant, path))
  return found.sort((one, other) => one.length - other.length)[0] ?? []
}

/** The parts of an intersection as one; a part that is open opens the whole. */
function merged(parts: readonly TSchema[]): TSchema {
  return Object.assign({}, ...parts, {
    properties: Object.assign(
      {},
      ...parts.map((part) => (part.allOf ? merged(part.allOf) : part).properties),
    ),
  })
}

function pointer(path: string, key: string): string {
  return `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
