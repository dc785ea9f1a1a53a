import { type Entry, NOTE } from '../transport.ts'

/** How often a handler was tried before, as the entry's note says; a note that is no count is none of ours. */
export function notedAttempts({ fields }: Pick<Entry, 'fields'>): number {
  const count = Number(fields[NOTE.attempts] ?? 0)
  return Number.isSafeInteger(count) && count >= 0 ? count : 0
}
