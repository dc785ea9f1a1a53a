import { createHash } from 'node:crypto'
import type { Fields } from './transport.ts'

/** An event published again within this, with its source and id, is not added again. */
export const DUPLICATE_WINDOW_MS = 600_000

const LONGEST = 64

/** By what a repeated event is known, its source and id, of a bounded length; '' for an entry that is no event. */
export function identityOf(fields: Fields): string {
  const source = attributeOf(fields, 'source')
  const id = attributeOf(fields, 'id')
  if (source === undefined || id === undefined) return ''
  // A source is a URI reference and has no space in it.
  const identity = `${source} ${id}`
  return identity.length <= LONGEST ? identity : createHash('sha256').update(identity).digest('base64url')
}

export function attributeOf(fields: Fields, name: string): string | undefined {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1]
  return undefined
}
