import { type Entry, NOTE } from './transport.ts'

/** Tells an entry from every other one that a member holds. */
export function refOf(entry: Pick<Entry, 'id' | 'again'>): string {
  return entry.again ? `again:${entry.id}` : entry.id
}

/** The id the event had in its domain's stream, whatever it went through since. */
export function originOf(entry: Entry): string {
  return entry.fields[NOTE.origin] ?? entry.fields[NOTE.archived] ?? entry.id
}

/** True for what the group has not had before: from the domain's stream, or from the archive in its place. */
export function isFresh({ again, fields }: Pick<Entry, 'again' | 'fields'>): boolean {
  return !again || (fields[NOTE.archived] !== undefined && fields[NOTE.origin] === undefined)
}

/** How often a handler was tried before, as the entry's note says; a note that is no count is none of ours. */
export function notedAttempts({ fields }: Pick<Entry, 'fields'>): number {
  const count = Number(fields[NOTE.attempts] ?? 0)
  return Number.isSafeInteger(count) && count >= 0 ? count : 0
}
