import { compareIds, idBefore, millisecondsOf } from '../entry-id.ts'
import type { StoredEntry, StreamTransport } from '../transport.ts'
import { inOrder, type TaggedEntry } from './merge.ts'

const PAGE = 200

/**
 * What several tags kept after an entry, in order, page by page.
 *
 * The tag that alone has exactly this entry goes on after it; the others begin with its millisecond, because nobody
 * knows what of that was seen.
 *
 * @param until the last entry of each tag.
 */
export async function* pastOf(
  streams: Pick<StreamTransport, 'range'>,
  after: string,
  until: ReadonlyMap<string, string>,
): AsyncGenerator<readonly TaggedEntry[]> {
  const places = new Map<string, string>()
  const having: string[] = []
  for (const tag of until.keys()) {
    const [entry] = await streams.range(tag, idBefore(after), 1)
    if (entry?.id === after) having.push(tag)
    places.set(tag, idBefore(`${millisecondsOf(after)}-0`))
  }
  const [only, ...others] = having
  if (only !== undefined && others.length === 0) places.set(only, after)
  for (;;) {
    const pages = new Map<string, readonly StoredEntry[]>()
    for (const [tag, place] of places) {
      const end = until.get(tag) ?? '0-0'
      if (compareIds(place, end) >= 0) continue
      const page = await streams.range(tag, place, PAGE)
      const past = page.filter(({ id }) => compareIds(id, end) <= 0)
      if (past.length === 0) places.set(tag, end)
      else pages.set(tag, past)
    }
    if (pages.size === 0) return
    const entries = inOrder(pages, PAGE)
    for (const { tag, id } of entries) places.set(tag, id)
    yield entries
  }
}
