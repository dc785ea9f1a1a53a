import { isDeepStrictEqual } from 'node:util'
import { findBoundProblems } from './schema-bounds.ts'

/** JSON Schema as TypeBox emits it. */
export type Schema = Readonly<Record<string, unknown>>

export interface Side {
  readonly schema: Schema
  /** As a reason names it: `the old schema`. */
  readonly called: string
}

interface Problem {
  readonly path: string
  readonly reason: string
}

interface Comparison {
  readonly writer: Side
  readonly reader: Side
  /** Pairs under comparison: a recursive schema meets itself, and holds if the rest does. */
  readonly open: readonly (readonly [Schema, Schema])[]
}

const ANNOTATIONS = new Set(
  '$schema $id $defs $comment title description default examples deprecated readOnly writeOnly'.split(' '),
)
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  boolean: [],
  null: [],
  array: ['items', 'minItems', 'maxItems', 'uniqueItems'],
  object: [
    'properties',
    'required',
    'additionalProperties',
    'patternProperties',
    'minProperties',
    'maxProperties',
  ],
}
/** The pattern TypeBox gives a record whose keys are any text. */
const ANY_KEY = '^(.*)$'

/** Why a reader may refuse what a writer sends; empty when it takes everything. */
export function findUnreadable(writer: Side, reader: Side): readonly Problem[] {
  if (isDeepStrictEqual(writer.schema, reader.schema)) return []
  return compare({ writer, reader, open: [] }, writer.schema, reader.schema, '')
}

function compare(at: Comparison, from: unknown, to: unknown, path: string): readonly Problem[] {
  if (isDeepStrictEqual(from, to) && !JSON.stringify(from).includes('"$ref"')) return []
  if (!isSchema(from)) return [{ path, reason: `cannot be judged: ${at.writer.called} has ${from} here` }]
  if (!isSchema(to)) return [{ path, reason: `cannot be judged: ${at.reader.called} has ${to} here` }]
  const written = resolveReference(at.writer, from)
  const read = resolveReference(at.reader, to)
  if (typeof written === 'string') return [{ path, reason: written }]
  if (typeof read === 'string') return [{ path, reason: read }]
  if (at.open.some(([a, b]) => a === written && b === read)) return []

  const unknown = [...findUnknown(at.writer, written), ...findUnknown(at.reader, read)]
  if (unknown.length > 0) return unknown.map((reason) => ({ path, reason }))
  const within = { ...at, open: [...at.open, [written, read] as const] }
  const choices = alternatives(written)
  const taken = alternatives(read)
  const [choice, other] = [choices[0], taken[0]]
  if (choices.length === 1 && taken.length === 1 && choice && other) {
    if (choice === written && other === read) return compareOne(within, written, read, path)
    return compare(within, choice, other, path)
  }
  return choices.flatMap((choice) => {
    if (taken.some((other) => compare(within, choice, other, path).length === 0)) return []
    const reason = `${at.writer.called} allows ${describe(choice)}, which ${at.reader.called} does not take`
    return [{ path, reason }]
  })
}

function resolveReference(side: Side, schema: Schema): Schema | string {
  let current = schema
  const seen = new Set<unknown>()
  while (typeof current.$ref === 'string') {
    const reference = current.$ref
    const found = seen.has(reference) ? undefined : findReferred(side.schema, reference)
    if (found === undefined)
      return `cannot be judged: ${side.called} refers to ${reference}, which is not in it`
    const beside = Object.keys(current).filter((key) => key !== '$ref' && !ANNOTATIONS.has(key))
    if (beside.length > 0) return `cannot be judged: ${side.called} has ${beside.join(', ')} beside $ref`
    seen.add(reference)
    current = found
  }
  return current
}

function findReferred(root: Schema, reference: string): Schema | undefined {
  const named = reference.startsWith('#/$defs/') ? reference.slice('#/$defs/'.length) : reference
  const search = (value: unknown): Schema | undefined => {
    if (typeof value !== 'object' || value === null) return undefined
    const schema = value as Schema
    const definition = isSchema(schema.$defs) ? schema.$defs[named] : undefined
    if (isSchema(definition)) return definition
    if (schema.$id === reference) return schema
    for (const child of Object.values(schema)) {
      const found = search(child)
      if (found) return found
    }
    return undefined
  }
  return reference === '#' ? root : search(root)
}

function findUnknown({ called }: Side, schema: Schema): readonly string[] {
  const { type } = schema
  const types = Array.isArray(type) ? type : [type]
  const known = new Set(['type', 'const', 'enum', 'anyOf', ...types.flatMap((name) => KEYWORDS[name] ?? [])])
  const strange = Object.keys(schema).filter((key) => !known.has(key) && !ANNOTATIONS.has(key))
  if (type !== undefined && types.some((name) => !(name in KEYWORDS))) strange.push('type')
  if (schema.items !== undefined && !isSchema(schema.items)) strange.push('items')
  const exclusive = ['const', 'enum', 'anyOf'].filter((key) => key in schema)
  if ('anyOf' in schema && !(Array.isArray(schema.anyOf) && schema.anyOf.every(isSchema)))
    strange.push('anyOf')
  if ('enum' in schema && !Array.isArray(schema.enum)) strange.push('enum')
  if (exclusive.length > 1 || (exclusive.length === 1 && !isPlainChoice(schema))) strange.push(...exclusive)
  return [...new Set(strange)].map((key) => `cannot be judged: ${called} has ${key} here`)
}

/** A choice among values or schemas beside nothing but the type that TypeBox repeats. */
function isPlainChoice(schema: Schema): boolean {
  const keys = Object.keys(schema).filter((key) => !ANNOTATIONS.has(key))
  if ('anyOf' in schema) return keys.length === 1
  return keys.every((key) => key === 'type' || key === 'const' || key === 'enum')
}

function alternatives(schema: Schema): readonly Schema[] {
  if (Array.isArray(schema.anyOf)) return schema.anyOf as readonly Schema[]
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => ({ const: value }))
  const { type, ...rest } = schema
  if (!Array.isArray(type)) return [schema]
  return type.map((name: string) => {
    const own = Object.entries(rest).filter(([key]) => ANNOTATIONS.has(key) || KEYWORDS[name]?.includes(key))
    return { type: name, ...Object.fromEntries(own) }
  })
}

function compareOne(at: Comparison, from: Schema, to: Schema, path: string): readonly Problem[] {
  if (isAnything(to)) return []
  const refused = {
    path,
    reason: `${at.writer.called} allows ${describe(from)}, ${at.reader.called} takes ${describe(to)}`,
  }
  if ('const' in to) return 'const' in from && isDeepStrictEqual(from.const, to.const) ? [] : [refused]
  if ('const' in from) return isTaken(at, from.const, to) ? [] : [refused]
  if (from.type !== to.type && !(from.type === 'integer' && to.type === 'number')) return [refused]
  const bounds = findBoundProblems({ ...at.writer, schema: from }, { ...at.reader, schema: to })
  const here = bounds.map((reason) => ({ path, reason }))
  if (to.type === 'array')
    return [...here, ...compare(at, asSchema(from.items), asSchema(to.items), `${path}/[]`)]
  return to.type === 'object' ? [...here, ...compareFields(at, from, to, path)] : here
}

/** A pattern or a format is not tried: whoever reads the reason can. */
function isTaken({ writer, reader }: Comparison, value: unknown, to: Schema): boolean {
  const only = schemaOfValue(value)
  if (only === undefined || (only.type !== to.type && !(only.type === 'integer' && to.type === 'number')))
    return false
  return findBoundProblems({ ...writer, schema: only }, { ...reader, schema: to }).length === 0
}

function schemaOfValue(value: unknown): Schema | undefined {
  if (value === null) return { type: 'null' }
  if (typeof value === 'boolean') return { type: 'boolean' }
  if (typeof value === 'string') return { type: 'string', minLength: value.length, maxLength: value.length }
  if (typeof value !== 'number') return undefined
  const type = Number.isInteger(value) ? 'integer' : 'number'
  return { type, minimum: value, maximum: value, multipleOf: Math.abs(value) }
}

function compareFields(at: Comparison, from: Schema, to: Schema, path: string): readonly Problem[] {
  const sent = asSchema(from.properties)
  const problems: Problem[] = []
  const required = new Set(asNames(from.required))
  for (const name of asNames(to.required)) {
    if (required.has(name)) continue
    const reason = `${at.writer.called} lets it be absent, ${at.reader.called} requires it`
    problems.push({ path: `${path}/${name}`, reason })
  }
  for (const name of new Set([...Object.keys(sent), ...required])) {
    const where = `${path}/${name}`
    const schemas = readersOf(to, name)
    if (schemas === 'refused') {
      problems.push({ path: where, reason: `${at.writer.called} has it, ${at.reader.called} forbids it` })
    } else for (const schema of schemas) problems.push(...compare(at, sent[name] ?? {}, schema, where))
  }
  return [...problems, ...compareOpenFields(at, from, to, path)]
}

/** Fields whose names only a pattern, or nothing, foretells. */
function compareOpenFields(at: Comparison, from: Schema, to: Schema, path: string): readonly Problem[] {
  const written: [string, unknown][] = Object.entries(asSchema(from.patternProperties))
  if (isSchema(from.additionalProperties)) written.push([ANY_KEY, from.additionalProperties])
  const patterns = asSchema(to.patternProperties)
  return written.flatMap(([pattern, schema]) => {
    const where = `${path}/*`
    const strange = Object.keys(patterns).filter((other) => other !== pattern && other !== ANY_KEY)
    if (strange.length > 0)
      return [{ path: where, reason: `cannot be judged: ${pattern} against ${strange}` }]
    const matching = [...new Set([pattern, ANY_KEY])].filter((key) => Object.hasOwn(patterns, key))
    const taken = matching.length > 0 ? matching.map((key) => patterns[key]) : [to.additionalProperties]
    if (taken.includes(false))
      return [{ path: where, reason: `${at.reader.called} forbids fields it does not name` }]
    const named = Object.entries(asSchema(to.properties)).filter(
      ([name]) => !Object.hasOwn(asSchema(from.properties), name) && new RegExp(pattern, 'u').test(name),
    )
    return [
      ...taken.filter(isSchema).flatMap((reader) => compare(at, schema, reader, where)),
      ...named.flatMap(([name, reader]) => compare(at, schema, reader, `${path}/${name}`)),
    ]
  })
}

function readersOf(to: Schema, name: string): readonly unknown[] | 'refused' {
  const fields = asSchema(to.properties)
  const own = Object.hasOwn(fields, name) ? [fields[name]] : []
  const matching = Object.entries(asSchema(to.patternProperties)).filter(([pattern]) =>
    new RegExp(pattern, 'u').test(name),
  )
  const readers = [...own, ...matching.map(([, schema]) => schema)]
  if (readers.length > 0 || to.additionalProperties === undefined) return readers
  if (to.additionalProperties === false) return 'refused'
  return isSchema(to.additionalProperties) ? [to.additionalProperties] : []
}

function describe(schema: Schema): string {
  if ('const' in schema) return JSON.stringify(schema.const)
  if (typeof schema.type === 'string')
    return `${schema.type === 'null' ? '' : 'a value of type '}${schema.type}`
  return typeof schema.$ref === 'string' ? schema.$ref : 'any value'
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isAnything = (schema: Schema) => Object.keys(schema).every((key) => ANNOTATIONS.has(key))
const asSchema = (value: unknown): Schema => (isSchema(value) ? value : {})
const asNames = (value: unknown) => (Array.isArray(value) ? (value as readonly string[]) : [])
