import type { StoredEntry } from '../transport.ts'

/** Entries by tag. */
export type TagEntries = ReadonlyMap<string, readonly StoredEntry[]>

/** Reads several tags at once, as a member of no group: what it reads stays for everybody. */
export interface StreamTail {
  /**
   * Waits, a few seconds at most, for entries after the id given for each tag; at most `count` a tag.
   *
   * @throws when the server cannot be reached, or the tail was closed.
   */
  read(after: ReadonlyMap<string, string>, count: number): Promise<TagEntries>
  close(): Promise<void>
}
