import type { Entry } from '../transport.ts'

/** XREADGROUP's reply: streams with their entries, fields flat. */
export type StreamsReply = readonly (readonly [string, readonly EntryReply[]])[] | null
export type EntryReply = readonly [id: string, fields: readonly string[] | null]
/** An entry as the scripts give it. */
export type HeldReply = readonly [id: string, fields: readonly string[], deliveries: number, suspect: number]

export function recordOf(flat: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (let i = 0; i + 1 < flat.length; i += 2) record[flat[i] as string] = flat[i + 1] as string
  return record
}

export function heldEntry([id, fields, deliveries, suspect]: HeldReply, again: boolean): Entry {
  return { id, again, fields: recordOf(fields), deliveries: Math.max(1, deliveries), suspect: suspect === 1 }
}
