import { readFileSync } from 'node:fs'
import { compareIds } from '../../../../../shared/events/entry-id.ts'
import type { EventArchive } from '../../../../../shared/events/outbox.ts'
import type { StoredEntry } from '../../../../../shared/events/transport.ts'

/** An archive of what was written down before a stream was trimmed, to be shared by processes. */
export function archiveOf(entries: readonly StoredEntry[]): EventArchive {
  return {
    range: async (tag, after, until, count) =>
      tag !== 'thing'
        ? []
        : entries.filter(({ id }) => compareIds(id, after) > 0 && compareIds(id, until) <= 0).slice(0, count),
  }
}

export function readArchive(file: string): EventArchive {
  return archiveOf(JSON.parse(readFileSync(file, 'utf8')) as StoredEntry[])
}
