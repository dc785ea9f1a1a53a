import {
  Kind,
  type SchemaOptions,
  type TInteger,
  type TLiteral,
  type TNull,
  type TSchema,
  type TUnion,
  Type,
  TypeRegistry,
} from '@sinclair/typebox'

export { registerDateTime } from './date-time.ts'

/** A closed set as a schema: `OneOf(['draft', 'sent'] as const)`. */
export function OneOf<const Values extends readonly string[]>(
  values: Values,
  options: SchemaOptions = {},
): TUnion<{ -readonly [Index in keyof Values]: TLiteral<Values[Index]> }> {
  const literals = values.map((value) => Type.Literal(value))
  return Type.Union(literals, options) as TUnion<TLiteral[]> as ReturnType<typeof OneOf<Values>>
}

/** A value or null. */
export function Nullable<Schema extends TSchema>(schema: Schema): TUnion<[Schema, TNull]> {
  return Type.Union([schema, Type.Null()])
}

const integerText = 'IntegerText'

/**
 * A whole number in a path or a query, which are texts: digits alone, where `t.Integer` takes `0x10` and a blank, and
 * does not say which field was wrong.
 */
export function IntegerText({
  minimum,
  maximum,
  ...options
}: SchemaOptions & { minimum: number; maximum: number }): TInteger {
  if (!TypeRegistry.Has(integerText)) TypeRegistry.Set<Limits>(integerText, isWithinLimits)
  const schema = Type.Unsafe<string>({ ...options, [Kind]: integerText, type: 'integer', minimum, maximum })
  // Elysia gives the handler what a transform decodes to: a number.
  return Type.Transform(schema).Decode(Number).Encode(String) as unknown as TInteger
}

interface Limits {
  readonly minimum: number
  readonly maximum: number
}

function isWithinLimits({ minimum, maximum }: Limits, value: unknown): boolean {
  return /^\d{1,16}$/.test(String(value)) && Number(value) >= minimum && Number(value) <= maximum
}
