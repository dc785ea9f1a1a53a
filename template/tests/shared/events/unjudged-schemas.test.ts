import { describe, expect, test } from 'bun:test'
import { Type } from '@sinclair/typebox'
import { findIncompatibilities } from '../../../../shared/events/compatibility.ts'
import type { Schema } from '../../../../shared/events/schema-reading.ts'

const a = Type.String()
const A = Type.Object({ a })
const of = (field: unknown): Schema => ({ type: 'object', required: ['a'], properties: { a: field } })
const list = (items: unknown) => of({ type: 'array', items })

describe('what it does not understand cannot be judged:', () => {
  test.each<[name: string, schema: Schema, path: string, reason: string]>([
    ['not', of({ not: {} }), '/a', 'the new schema has not here'],
    ['a keyword without its type', of({ minLength: 1 }), '/a', 'the new schema has minLength here'],
    ['an unknown type', of({ type: 'date' }), '/a', 'the new schema has type here'],
    ['a list of schemas for a tuple', list([]), '/a', 'the new schema has items here'],
    ['a limit beside a choice', of({ anyOf: [a], type: 'string' }), '/a', 'the new schema has anyOf here'],
    ['a choice that is no list', of({ anyOf: {} }), '/a', 'the new schema has anyOf here'],
    [
      'a reference to nothing',
      of({ $ref: 'gone' }),
      '/a',
      'the new schema refers to gone, which is not in it',
    ],
    ['false for a field', of(false), '/a', 'the new schema has false here'],
    ['true for a field', of(true), '/a', 'the new schema has true here'],
    ['false in a choice', of({ anyOf: [a, false] }), '/a', 'the new schema has anyOf here'],
    ['true in a choice', of({ anyOf: [true, a] }), '/a', 'the new schema has anyOf here'],
    ['true for the elements of a list', list(true), '/a', 'the new schema has items here'],
    [
      'false for the fields of a pattern',
      { type: 'object', required: ['a'], patternProperties: { '^a': false } },
      '/a',
      'the new schema has false here',
    ],
  ])('%s', (_, schema, path, reason) => {
    const found = findIncompatibilities('BACKWARD', [A], schema)

    expect(found).toContainEqual({ path, reason: `cannot be judged: ${reason}` })
  })

  test('false for a field of the old schema', () => {
    const found = findIncompatibilities('FORWARD', [of(false)], A)

    expect(found).toEqual([{ path: '/a', reason: 'cannot be judged: the old schema has false here' }])
  })

  test('fields of two patterns at once', () => {
    const record = (patternProperties: Schema) => ({ type: 'object', patternProperties })
    const number = { type: 'number' }

    const found = findIncompatibilities(
      'BACKWARD',
      [record({ '^x': a })],
      record({ '^x': a, '^(.*)$': number }),
    )

    expect(found).toEqual([
      {
        path: '/*',
        reason: 'the old schema allows a value of type string, the new schema takes a value of type number',
      },
    ])
  })

  test('but what stays as it is needs no judgement', () => {
    const never = Type.Object({ a: Type.Not(Type.String()), c: Type.Optional(Type.Never()) })

    const found = findIncompatibilities(
      'FULL',
      [never],
      Type.Object({ ...never.properties, b: Type.Optional(a) }),
    )

    expect(found).toEqual([])
  })
})
