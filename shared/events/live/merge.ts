import { compareIds } from '../entry-id.ts'
import type { StoredEntry } from '../transport.ts'
import type { TagEntries } from './tail.ts'

export interface TaggedEntry extends StoredEntry {
  readonly tag: string
}

/**
 * Entries of several tags in the order of their ids, which is that of one server's clock.
 *
 * A tag that gave a full page may have more below what the others gave: what lies above its last entry waits, so that
 * an id is never passed on before a smaller one.
 */
export function inOrder(entries: TagEntries, pageSize: number): readonly TaggedEntry[] {
  let limit: string | undefined
  for (const page of entries.values()) {
    const last = page.at(-1)?.id
    if (last !== undefined && page.length >= pageSize && (limit === undefined || compareIds(last, limit) < 0))
      limit = last
  }
  return [...entries]
    .flatMap(([tag, page]) => page.map(({ id, fields }) => ({ tag, id, fields })))
    .filter(({ id }) => limit === undefined || compareIds(id, limit) <= 0)
    .toSorted((a, b) => compareIds(a.id, b.id))
}
