import { Type } from '@sinclair/typebox'
import { defineEvent } from '../../events/event.ts'

const Made = Type.Object({ n: Type.Integer({ minimum: 0 }), of: Type.String() })

/** The events the delivery suite speaks of. */
export const ThingMade = defineEvent({
  name: 'thing.made',
  delivery: 'stream',
  key: (data) => data.of,
  versions: { 1: Made },
})
export const ThingSold = defineEvent({
  name: 'thing.sold',
  delivery: 'stream',
  key: (data) => data.of,
  versions: { 1: Made },
})
export const ThingShouted = defineEvent({
  name: 'thing.shouted',
  delivery: 'broadcast',
  versions: { 1: Type.Object({ words: Type.String() }) },
})
/** What `thing.made` becomes in a later release. */
export const ThingMadeLater = defineEvent({
  name: 'thing.made',
  delivery: 'stream',
  key: (data) => data.of,
  versions: { 1: Made, 2: Type.Object({ number: Type.Integer(), of: Type.String() }) },
  upcast: { 2: ({ n, of }) => ({ number: n, of }) },
  downcast: { 1: ({ number, of }) => ({ n: number, of }) },
})
