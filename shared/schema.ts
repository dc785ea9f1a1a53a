import {
  type SchemaOptions,
  type TLiteral,
  type TNull,
  type TSchema,
  type TUnion,
  Type,
} from '@sinclair/typebox'

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
