import { originOf, refOf } from '../entry.ts'
import { compareIds, idBefore } from '../entry-id.ts'
import {
  type Entry,
  type GroupMember,
  type JoinOptions,
  type Move,
  type MoveOutcome,
  NOTE,
  type Recovered,
  type StoredEntry,
} from '../transport.ts'
import type { FieldMap, MemoryGroup } from './group.ts'

const WAIT_MS = 1000
const QUIET_MS = 60_000

export interface MemoryMemberOptions extends JoinOptions {
  readonly consumer: string
  readonly group: string
  readonly state: MemoryGroup
  readonly now: () => number
}

/** A member of a group that lives in this process. Nothing can be abandoned but by leaving. */
export class MemoryMember implements GroupMember {
  readonly #options: MemoryMemberOptions
  readonly #state: MemoryGroup
  #wake: () => void = () => {}
  readonly #unparked: Entry[] = []
  #left = false

  constructor(options: MemoryMemberOptions) {
    this.#options = options
    this.#state = options.state
  }

  get consumer(): string {
    return this.#options.consumer
  }

  get leading(): boolean {
    return !this.#options.ordered || this.#state.leader === this.consumer
  }

  async lead(): Promise<boolean> {
    if (this.#options.ordered) this.#state.leader ??= this.consumer
    return this.leading
  }

  async read(maxCount: number, source: 'all' | 'again'): Promise<readonly Entry[]> {
    const read = this.#take(maxCount, source)
    if (read.length > 0 || this.#left) return read
    await this.#state.stream.wait(WAIT_MS, (wake) => {
      this.#wake = wake
    })
    return this.#left ? [] : this.#take(maxCount, source)
  }

  /** No read is lost within a process. */
  async overtaken(): Promise<readonly Entry[]> {
    return []
  }

  async recover(): Promise<Recovered> {
    const entries = this.#unparked.splice(0)
    for (const entry of entries) this.#state.pending.set(refOf(entry), { entry, consumer: this.consumer })
    return { entries, deleted: [], more: false }
  }

  async begin(entry: Entry): Promise<boolean> {
    return this.#state.owns(entry, this.consumer)
  }

  async ack(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) this.#state.pending.delete(refOf(entry))
    this.#state.stream.finished()
  }

  async move(entry: Entry, { to, notes, delayMs = 0, key, keyThen }: Move): Promise<MoveOutcome> {
    const state = this.#state
    if (!state.owns(entry, this.consumer)) return 'lost'
    const fields: FieldMap = {
      ...entry.fields,
      ...notes,
      [NOTE.consumer]: this.consumer,
      [NOTE.origin]: originOf(entry),
      ...(key !== undefined && { [NOTE.key]: key }),
      ...(this.#options.until !== undefined && { [NOTE.replay]: this.#options.group }),
    }
    if (to === 'due') state.due.push({ atMs: this.#options.now() + delayMs, fields })
    else {
      const { deadLettersOf = this.#options.group } = this.#options
      const aside = to === 'dead' ? (state.stream.groups.get(deadLettersOf) ?? state).dead : state.parked
      aside.push({ id: state.stream.nextId(), fields })
    }
    if (key !== undefined && keyThen === 'hold' && !state.held.has(key)) state.held.set(key, originOf(entry))
    if (key !== undefined && keyThen === 'release') state.letNext(key, originOf(entry))
    await this.ack([entry])
    return 'moved'
  }

  async release(entry: Entry, key: string): Promise<{ readonly held: boolean }> {
    if (!this.#state.owns(entry, this.consumer)) return { held: this.#state.held.has(key) }
    const held = this.#state.letNext(key, originOf(entry))
    await this.ack([entry])
    return { held }
  }

  async queueBehind(entry: Entry, key: string): Promise<'queued' | 'free' | 'full' | 'lost'> {
    const state = this.#state
    if (!state.owns(entry, this.consumer)) return 'lost'
    if (!state.held.has(key)) return 'free'
    const behind = state.behind.get(key) ?? []
    if (behind.length >= this.#options.maxBehind) return 'full'
    behind.push({ ...entry.fields, [NOTE.origin]: originOf(entry) })
    state.behind.set(key, behind)
    await this.ack([entry])
    return 'queued'
  }

  async heldKeys(): Promise<ReadonlySet<string>> {
    return new Set(this.#state.held.keys())
  }

  async keepAlive(): Promise<readonly string[]> {
    return []
  }

  async handBack(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) if (this.#state.owns(entry, this.consumer)) this.#giveUp(entry)
    this.#state.stream.notify()
  }

  async bringBack(): Promise<number> {
    const state = this.#state
    const now = this.#options.now()
    for (const { fields } of state.due.filter(({ atMs }) => atMs <= now)) state.deliverAgain(fields)
    state.due = state.due.filter(({ atMs }) => atMs > now)
    return Math.min(QUIET_MS, ...state.due.map(({ atMs }) => atMs - now))
  }

  async unpark(known: ReadonlyMap<string, number>): Promise<boolean> {
    if (!this.leading) return false
    const state = this.#state
    const readable = ({ fields }: StoredEntry) =>
      Number(fields.dataversion ?? 1) <= (known.get(fields.type ?? '') ?? 0)
    for (const { id, fields } of state.parked.filter(readable)) {
      this.#unparked.push({ id, again: true, fields, deliveries: 1, suspect: false })
    }
    state.parked = state.parked.filter((entry) => !readable(entry))
    if (this.#unparked.length > 0) this.#wake()
    return this.#unparked.length > 0
  }

  async mark(): Promise<string> {
    const oldest = [...this.#state.pending.values()]
      .filter(({ entry }) => !entry.again)
      .map(({ entry }) => entry.id)
    return oldest.length === 0 ? this.#state.position : idBefore(oldest.sort(compareIds)[0] ?? '0-0')
  }

  async finished(): Promise<boolean> {
    const { position, pending, due, again, abandoned } = this.#state
    const [next] = this.#state.stream.after(position, 1)
    const read = !next || compareIds(next.id, this.#options.until ?? '0-0') > 0
    return read && pending.size + due.length + again.length + abandoned.length === 0
  }

  async leave(): Promise<void> {
    this.#left = true
    for (const { fields } of this.#unparked.splice(0)) this.#state.deliverAgain(fields)
    for (const { entry, consumer } of this.#state.pending.values())
      if (consumer === this.consumer) this.#giveUp(entry)
    if (this.#state.leader === this.consumer) this.#state.leader = undefined
    this.#wake()
    this.#state.stream.notify()
  }

  #giveUp(entry: Entry): void {
    this.#state.pending.delete(refOf(entry))
    this.#state.abandoned.push(entry)
    this.#state.abandoned.sort((a, b) => compareIds(a.id, b.id))
  }

  #take(maxCount: number, source: 'all' | 'again'): readonly Entry[] {
    const state = this.#state
    const taken = source === 'all' ? state.abandoned.splice(0, maxCount) : []
    for (const { id, fields } of state.again.splice(0, maxCount - taken.length)) {
      taken.push({ id, again: true, fields, deliveries: 1, suspect: false })
    }
    const fresh = source === 'all' ? maxCount - taken.length : 0
    for (const { id, fields } of state.stream.after(state.position, fresh)) {
      if (this.#options.until !== undefined && compareIds(id, this.#options.until) > 0) break
      state.position = id
      taken.push({ id, again: false, fields, deliveries: 1, suspect: false })
    }
    for (const entry of taken) state.pending.set(refOf(entry), { entry, consumer: this.consumer })
    return taken
  }
}
