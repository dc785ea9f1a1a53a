import { originOf, refOf } from '../entry.ts'
import { compareIds } from '../entry-id.ts'
import { type Entry, NOTE, type StoredEntry } from '../transport.ts'
import type { MemoryStream } from './stream.ts'

export interface Pending {
  readonly entry: Entry
  consumer: string
}

export type FieldMap = Readonly<Record<string, string>>

/** One group's state on one stream: what the Redis transport keeps in its keys. */
export class MemoryGroup {
  readonly stream: MemoryStream
  readonly pending = new Map<string, Pending>()
  /** Given up by a member that left; the next reader has them first. */
  abandoned: Entry[] = []
  again: StoredEntry[] = []
  due: { readonly atMs: number; readonly fields: FieldMap }[] = []
  dead: StoredEntry[] = []
  parked: StoredEntry[] = []
  readonly held = new Map<string, string>()
  readonly behind = new Map<string, FieldMap[]>()
  leader: string | undefined
  /** How far a replay was fed from the archive. */
  fed: string | undefined
  position: string

  constructor(stream: MemoryStream, position: string) {
    this.stream = stream
    this.position = position
  }

  deliverAgain(fields: FieldMap): void {
    this.again.push({ id: this.stream.nextId(), fields })
    this.stream.notify()
  }

  /** The next event of a held key becomes the one the key waits for; false when the key is free. */
  letNext(key: string, origin: string): boolean {
    if (this.held.get(key) !== origin) return this.held.has(key)
    const next = this.behind.get(key)?.shift()
    if (!next) {
      this.held.delete(key)
      this.behind.delete(key)
      return false
    }
    this.held.set(key, next[NOTE.origin] ?? '')
    this.deliverAgain(next)
    return true
  }

  /** Dead letters and parked events wait for somebody, so they are not finished. */
  isFinished(id: string): boolean {
    if (compareIds(id, this.position) > 0) return false
    const aside = [...this.again, ...this.due, ...this.dead, ...this.parked, ...this.abandoned].map(
      ({ fields }) => fields,
    )
    for (const fields of this.behind.values()) aside.push(...fields)
    if (aside.some((fields) => fields[NOTE.origin] === id)) return false
    for (const entry of this.abandoned) if (originOf(entry) === id) return false
    for (const { entry } of this.pending.values()) if (originOf(entry) === id) return false
    return true
  }

  owns(entry: Entry, consumer: string): boolean {
    return this.pending.get(refOf(entry))?.consumer === consumer
  }
}
