import { describe, expect, test } from 'bun:test'
import { Type } from '@sinclair/typebox'
import {
  type Compatibility,
  compatibilityModes,
  findIncompatibilities,
} from '../../../../shared/events/compatibility.ts'
import type { Schema } from '../../../../shared/events/schema-reading.ts'

const a = Type.String()
const A = Type.Object({ a })
const withB = Type.Object({ a, b: Type.Number() })
const withOptionalB = Type.Object({ a, b: Type.Optional(Type.Number()) })
const withOptionalText = Type.Object({ a, b: Type.Optional(Type.String()) })
const closed = Type.Object({ a }, { additionalProperties: false })
const of = (field: Schema): Schema => ({ type: 'object', required: ['a'], properties: { a: field } })
const roles = (...names: string[]) => of(Type.Union(names.map((name) => Type.Literal(name))))
const texts = (maxLength: number) => of(Type.String({ maxLength }))
const lists = (items: Schema, limits = {}) => of({ type: 'array', items, ...limits })
const choice = (...anyOf: Schema[]) => of({ anyOf })

type Change = [name: string, mode: Compatibility, earlier: readonly Schema[], schema: Schema]

describe('a change is refused with path and reason:', () => {
  test.each<[...Change, path: string, reason: string]>([
    [
      'a required field is added',
      'BACKWARD',
      [A],
      withB,
      '/b',
      'the old schema lets it be absent, the new schema requires it',
    ],
    [
      'an optional field becomes required',
      'FULL',
      [withOptionalB],
      withB,
      '/b',
      'the old schema lets it be absent, the new schema requires it',
    ],
    [
      'a required field is removed',
      'FORWARD',
      [withB],
      A,
      '/b',
      'the new schema lets it be absent, the old schema requires it',
    ],
    [
      'a choice of values is widened',
      'FORWARD',
      [roles('x', 'y')],
      roles('x', 'y', 'z'),
      '/a',
      'the new schema allows "z", which the old schema does not take',
    ],
    [
      'a choice of values is narrowed',
      'BACKWARD',
      [roles('x', 'y', 'z')],
      roles('x', 'y'),
      '/a',
      'the old schema allows "z", which the new schema does not take',
    ],
    [
      'a text is shortened',
      'BACKWARD',
      [texts(100)],
      texts(50),
      '/a',
      'the old schema allows texts up to 100, the new schema only up to 50',
    ],
    [
      'a text loses its limit',
      'FORWARD',
      [texts(100)],
      A,
      '/a',
      'the new schema allows texts of any length, the old schema only up to 100',
    ],
    [
      'a text gains a pattern',
      'BACKWARD',
      [A],
      of(Type.String({ pattern: '^x' })),
      '/a',
      'the old schema allows any pattern, the new schema only ^x',
    ],
    [
      'a type is changed',
      'BACKWARD',
      [A],
      of(Type.Number()),
      '/a',
      'the old schema allows a value of type string, the new schema takes a value of type number',
    ],
    [
      'whole numbers become any numbers',
      'FORWARD',
      [of(Type.Integer())],
      of(Type.Number()),
      '/a',
      'the new schema allows a value of type number, the old schema takes a value of type integer',
    ],
    [
      'a closed schema gains a field',
      'FORWARD',
      [closed],
      Type.Object({ a, b: Type.Optional(a) }, { additionalProperties: false }),
      '/b',
      'the new schema has it, the old schema forbids it',
    ],
    [
      'a member is added to a union',
      'FORWARD',
      [choice(Type.String(), Type.Null())],
      choice(Type.String(), Type.Null(), Type.Number()),
      '/a',
      'the new schema allows a value of type number, which the old schema does not take',
    ],
    [
      'a member is removed from a union',
      'BACKWARD',
      [choice(Type.String(), Type.Null())],
      A,
      '/a',
      'the old schema allows null, which the new schema does not take',
    ],
    [
      'a range starts later',
      'BACKWARD',
      [of(Type.Number({ minimum: 1 }))],
      of(Type.Number({ minimum: 2 })),
      '/a',
      'the old schema allows numbers from 1, the new schema only numbers from 2',
    ],
    [
      'a range leaves its end out',
      'BACKWARD',
      [of(Type.Number({ maximum: 5 }))],
      of(Type.Number({ exclusiveMaximum: 5 })),
      '/a',
      'the old schema allows numbers to 5, the new schema only numbers below 5',
    ],
    [
      'a step is not a multiple of the other',
      'BACKWARD',
      [of(Type.Integer({ multipleOf: 3 }))],
      of(Type.Integer({ multipleOf: 2 })),
      '/a',
      'the old schema allows other steps, the new schema only multiples of 2',
    ],
    [
      'the elements of a list change',
      'BACKWARD',
      [lists(Type.String())],
      lists(Type.String({ minLength: 1 })),
      '/a/[]',
      'the old schema allows texts as short as 0, the new schema only from 1',
    ],
    [
      'a list is shortened',
      'BACKWARD',
      [lists(a, { maxItems: 9 })],
      lists(a, { maxItems: 8 }),
      '/a',
      'the old schema allows lists up to 9, the new schema only up to 8',
    ],
    [
      'the elements of a list must differ',
      'BACKWARD',
      [lists(a)],
      lists(a, { uniqueItems: true }),
      '/a',
      'the old schema allows repeated elements, the new schema only distinct ones',
    ],
    [
      'the values of a record change',
      'BACKWARD',
      [of(Type.Record(Type.String(), Type.String()))],
      of(Type.Record(Type.String(), Type.Number())),
      '/a/*',
      'the old schema allows a value of type string, the new schema takes a value of type number',
    ],
    [
      'an optional name is dropped, then used again for something else',
      'FULL_TRANSITIVE',
      [withOptionalText, A],
      withOptionalB,
      '/b',
      'the old schema allows a value of type string, the new schema takes a value of type number',
    ],
  ])('%s, %s', (_, mode, earlier, schema, path, reason) => {
    const found = findIncompatibilities(mode, earlier, schema)

    expect(found[0]).toEqual({ path, reason })
    expect(new Set(found.map((one) => one.path))).toEqual(new Set([path]))
  })
})

describe('a change is taken:', () => {
  test.each<Change>([
    ['an optional field is added', 'FULL_TRANSITIVE', [A], withOptionalB],
    ['an optional field is removed', 'FULL_TRANSITIVE', [withOptionalB], A],
    ['a required field is added', 'FORWARD_TRANSITIVE', [A], withB],
    ['a required field is removed', 'BACKWARD_TRANSITIVE', [withB], A],
    ['a choice of values is widened', 'BACKWARD', [roles('x', 'y')], roles('x', 'y', 'z')],
    ['a choice of values is narrowed', 'FORWARD', [roles('x', 'y', 'z')], roles('x', 'y')],
    ['a choice of values is put in another order', 'FULL', [roles('x', 'y')], roles('y', 'x')],
    ['a text is lengthened', 'BACKWARD', [texts(50)], texts(100)],
    ['a text is shortened', 'FORWARD', [texts(100)], texts(50)],
    ['whole numbers become any numbers', 'BACKWARD', [of(Type.Integer())], of(Type.Number())],
    ['a closed schema gains an optional field', 'BACKWARD', [closed], withOptionalB],
    ['a member is added to a union', 'BACKWARD', [A], choice(Type.String(), Type.Null())],
    ['a range starts earlier', 'BACKWARD', [of({ type: 'number', minimum: 2 })], of({ type: 'number' })],
    ['a list is lengthened', 'BACKWARD', [lists(a, { maxItems: 8 })], lists(a, { maxItems: 9 })],
    ['only words about it change', 'FULL_TRANSITIVE', [A], of({ type: 'string', description: 'a name' })],
    ['an optional name is dropped, then used again', 'FULL', [withOptionalText, A], withOptionalB],
  ])('%s, %s', (_, mode, earlier, schema) => {
    expect(findIncompatibilities(mode, earlier, schema)).toEqual([])
  })

  test.each([...compatibilityModes])('none, %s', (mode) => {
    expect(findIncompatibilities(mode, [closed, closed], closed)).toEqual([])
    expect(findIncompatibilities(mode, [], closed)).toEqual([])
  })
})
