import { compareIds, millisecondsOf } from '../entry-id.ts'
import {
  type AppendOutcome,
  type Fields,
  type GroupHealth,
  type GroupMember,
  type GroupOperations,
  type JoinOptions,
  NOTE,
  type StoredEntry,
  type StreamTransport,
} from '../transport.ts'
import type { MemoryGroup } from './group.ts'
import { MemoryMember } from './member.ts'
import { MemoryStream } from './stream.ts'

/** What is shared by every client of one in-memory event server: two clients of one broker behave as two replicas. */
export class MemoryBroker {
  readonly #streams = new Map<string, MemoryStream>()
  readonly #now: () => number
  readonly listeners = new Map<string, Set<(message: string) => void>>()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  get now(): () => number {
    return this.#now
  }

  stream(tag: string): MemoryStream {
    const known = this.#streams.get(tag)
    if (known) return known
    const fresh = new MemoryStream(this.#now)
    this.#streams.set(tag, fresh)
    return fresh
  }
}

/** Durable events while this process lives, and no longer. */
export class MemoryStreams implements StreamTransport {
  readonly name = 'memory'
  /** Nothing is claimed from a process that is this one. */
  readonly keepAliveMs = 60_000
  readonly #broker: MemoryBroker
  readonly #consumer: string

  constructor(broker: MemoryBroker, consumer: string) {
    this.#broker = broker
    this.#consumer = consumer
  }

  /** Nothing can fail here, so no key is ever stopped. */
  async append(tag: string, entries: readonly Fields[]): Promise<readonly AppendOutcome[]> {
    return this.#broker.stream(tag).append(entries)
  }

  async join(options: JoinOptions): Promise<GroupMember> {
    const stream = this.#broker.stream(options.tag)
    // A replay's group exists until the replay is over.
    if (options.until !== undefined && !stream.groups.has(options.group))
      throw new Error(`NOGROUP ${options.group}`)
    const state = stream.group(options.group, options.start)
    return new MemoryMember({ ...options, state, consumer: this.#consumer, now: this.#broker.now })
  }

  async safe(tag: string, entryId: string): Promise<void> {
    await this.#broker.stream(tag).whenFinished(entryId)
  }

  operate(tag: string, group: string): GroupOperations {
    const stream = this.#broker.stream(tag)
    return operationsOf(stream, () => stream.group(group, 'new'), group)
  }

  async range(tag: string, after: string, count: number): Promise<readonly StoredEntry[]> {
    return this.#broker.stream(tag).after(after, count)
  }

  async backwards(tag: string, before: string, count: number): Promise<readonly StoredEntry[]> {
    const { entries } = this.#broker.stream(tag)
    const earlier = before === '+' ? entries : entries.filter(({ id }) => compareIds(id, before) < 0)
    return earlier.slice(-count).reverse()
  }

  /** What is lost with this process nobody is left to miss. */
  async missing(): Promise<readonly string[]> {
    return []
  }

  watch(): () => void {
    return () => {}
  }

  async close(): Promise<void> {}
}

function page(entries: readonly StoredEntry[], after: string, count: number): readonly StoredEntry[] {
  const from = entries.findIndex(({ id }) => id === after) + 1
  return entries.slice(from, from + count)
}

function operationsOf(stream: MemoryStream, group: () => MemoryGroup, name: string): GroupOperations {
  const takeOut = (id: string) => {
    const state = group()
    const found = state.dead.find((entry) => entry.id === id)
    state.dead = state.dead.filter((entry) => entry !== found)
    return found
  }
  return {
    deadLetters: async (after, count) => page(group().dead, after, count),
    parked: async (after, count) => page(group().parked, after, count),
    async redrive(id) {
      const found = takeOut(id)
      if (!found) return false
      const kept = Object.entries(found.fields).filter(
        ([field]) => !field.startsWith(':') || field === NOTE.origin || field === NOTE.replay,
      )
      group().deliverAgain({ ...Object.fromEntries(kept), [NOTE.redelivered]: '1' })
      return true
    },
    async purge(id) {
      const found = takeOut(id)
      const key = found?.fields[NOTE.key]
      if (found && key !== undefined) group().letNext(key, found.fields[NOTE.origin] ?? '')
      return found !== undefined
    },
    async health(): Promise<GroupHealth> {
      const { pending, due, parked, dead, position, again, abandoned } = group()
      const oldest = [...pending.values()].map(({ entry }) => entry.id)[0] ?? stream.after(position, 1)[0]?.id
      return {
        lag: stream.countAfter(position) + again.length + abandoned.length,
        pending: pending.size,
        due: due.length,
        parked: parked.length,
        dead: dead.length,
        oldestMs: oldest === undefined ? undefined : millisecondsOf(oldest),
      }
    },
    async create(after) {
      stream.group(name, 'new', after)
    },
    async fed() {
      const { fed, again = [], pending, abandoned = [] } = stream.groups.get(name) ?? {}
      return { position: fed, waiting: again.length + (pending?.size ?? 0) + abandoned.length }
    },
    async feed(entries, { after, until }) {
      const state = stream.groups.get(name)
      if (!state || (state.fed ?? after) !== after) return false
      for (const { id, fields } of entries) state.deliverAgain({ ...fields, [NOTE.archived]: id })
      state.fed = until
      return true
    },
    async remove() {
      stream.groups.delete(name)
    },
  }
}
