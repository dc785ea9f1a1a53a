import { identityOf } from '../duplicates.ts'
import { compareIds, idBeforeTime } from '../entry-id.ts'
import type { AppendOutcome, Fields, StartPosition, StoredEntry } from '../transport.ts'
import { MemoryGroup } from './group.ts'
import { SeenEvents } from './seen-events.ts'

const MAX_ENTRIES = 10_000

/** One tag's entries and groups. */
export class MemoryStream {
  readonly groups = new Map<string, MemoryGroup>()
  readonly #now: () => number
  readonly #seen: SeenEvents
  readonly #waiting = new Set<() => void>()
  entries: StoredEntry[] = []
  #lastMs = 0
  #sequence = 0
  #unfinished: { readonly id: string; readonly resolve: () => void }[] = []

  constructor(now: () => number) {
    this.#now = now
    this.#seen = new SeenEvents(now)
  }

  nextId(): string {
    const ms = Math.max(this.#lastMs, this.#now())
    this.#sequence = ms === this.#lastMs ? this.#sequence + 1 : 0
    this.#lastMs = ms
    return `${ms}-${this.#sequence}`
  }

  append(entries: readonly Fields[]): readonly AppendOutcome[] {
    const outcomes = entries.map((flat): AppendOutcome => {
      const identity = identityOf(flat)
      const known = this.#seen.entryOf(identity)
      if (known !== undefined) return { ok: true, entryId: known, duplicate: true }
      const fields: Record<string, string> = {}
      for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string
      const id = this.nextId()
      this.entries.push({ id, fields })
      this.#seen.remember(identity, id)
      return { ok: true, entryId: id }
    })
    this.#trim()
    this.notify()
    return outcomes
  }

  group(name: string, start: StartPosition, after?: string): MemoryGroup {
    const known = this.groups.get(name)
    if (known) return known
    const last = this.entries.at(-1)?.id ?? '0-0'
    const position = after ?? (start === 'new' ? last : start === 'beginning' ? '0-0' : idBeforeTime(start))
    const group = new MemoryGroup(this, position)
    this.groups.set(name, group)
    return group
  }

  after(id: string, count: number): readonly StoredEntry[] {
    const found: StoredEntry[] = []
    for (let at = this.#indexAfter(id); at < this.entries.length && found.length < count; at++) {
      found.push(this.entries[at] as StoredEntry)
    }
    return found
  }

  countAfter(id: string): number {
    return this.entries.length - this.#indexAfter(id)
  }

  notify(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /** Resolves at the next append, or after `maxMs`; `onWake` is given what ends the wait early. */
  wait(maxMs: number, onWake: (wake: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, maxMs)
      this.#waiting.add(wake)
      onWake(wake)
    })
  }

  /** Resolves once no group has the entry left to do, however often it is retried. */
  whenFinished(id: string): Promise<void> {
    if (this.#isFinished(id)) return Promise.resolve()
    return new Promise((resolve) => this.#unfinished.push({ id, resolve }))
  }

  /** Something was acknowledged: whoever waits for its end may go on. */
  finished(): void {
    if (this.#unfinished.length === 0) return
    const waiting = this.#unfinished
    this.#unfinished = waiting.filter(({ id }) => !this.#isFinished(id))
    for (const { id, resolve } of waiting) if (this.#isFinished(id)) resolve()
  }

  #isFinished(id: string): boolean {
    return [...this.groups.values()].every((group) => group.isFinished(id))
  }

  /** Ids only grow, so the first entry after one is found by halving. */
  #indexAfter(id: string): number {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareIds((this.entries[middle] as StoredEntry).id, id) > 0) high = middle
      else low = middle + 1
    }
    return low
  }

  #trim(): void {
    if (this.entries.length < MAX_ENTRIES * 2) return
    let keepFrom = this.entries.length - MAX_ENTRIES
    for (const { position } of this.groups.values()) keepFrom = Math.min(keepFrom, this.#indexAfter(position))
    if (keepFrom > 0) this.entries = this.entries.slice(keepFrom)
  }
}
