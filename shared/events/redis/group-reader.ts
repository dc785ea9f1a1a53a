import { compareIds, idBeforeTime } from '../entry-id.ts'
import type { Entry } from '../transport.ts'
import { ready, within } from './connections.ts'
import { ENSURE_GROUP } from './group-scripts.ts'
import type { GroupKeys } from './keys.ts'
import type { MemberOptions } from './member-options.ts'
import { recordOf, type StreamsReply } from './replies.ts'
import { runScript } from './run-script.ts'

const GRACE_MS = 2000
const READY_MS = 2000
const SIZE_DECAY = 0.7

/** Reads what nobody in the group has had yet, on a connection of its own, and heals the group when it vanished. */
export class GroupReader {
  readonly #options: MemberOptions
  readonly #keys: GroupKeys
  #largestBytes: number
  #pastEnd = false
  #closed: Promise<void> | undefined

  constructor(options: MemberOptions, keys: GroupKeys) {
    this.#options = options
    this.#keys = keys
    this.#largestBytes = options.maxEntryBytes
  }

  /** A new group starts where it is told to; one that vanished starts at its low-water mark. */
  async ensureGroups(): Promise<void> {
    const { commands, store, group, tag, start, until, logger } = this.#options
    if (until !== undefined) return
    const mark = await store.mark(group, tag)
    const position = mark ?? { new: '$', beginning: '0-0' }[String(start)] ?? idBeforeTime(Number(start))
    const state = await runScript(commands, ENSURE_GROUP, [this.#keys.stream], [group, position])
    await runScript(commands, ENSURE_GROUP, [this.#keys.again], [group, '0-0'])
    if (state === 'created' && mark !== undefined) {
      logger.warn({ group, tag, mark }, 'a group had vanished: it reads again from its low-water mark')
    }
  }

  async read(maxCount: number, source: 'all' | 'again'): Promise<readonly Entry[]> {
    const { reading, group, consumer, blockMs } = this.#options
    const { stream, again } = this.#keys
    await ready(reading, READY_MS)
    const count = Math.max(1, Math.min(maxCount, Math.floor(this.#options.maxReadBytes / this.#largestBytes)))
    const sources = this.#pastEnd || source === 'again' ? [again] : [stream, again]
    const ids = sources.map(() => '>')
    return this.healing(async () => {
      const reply = reading.xreadgroup(
        'GROUP',
        group,
        consumer,
        'COUNT',
        count,
        'BLOCK',
        blockMs,
        'STREAMS',
        ...sources,
        ...ids,
      ) as Promise<StreamsReply>
      return await this.#entries(await within(reading, blockMs + GRACE_MS, reply))
    })
  }

  /** Makes the group again when what is asked finds it gone; the failure itself is passed on. */
  async healing<Result>(ask: () => Promise<Result>): Promise<Result> {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof Error && /NOGROUP|UNBLOCKED|no such key/.test(error.message))
        await this.ensureGroups()
      throw error
    }
  }

  /** Ends a waiting read; its entries, if any were on their way, stay pending. */
  close(): Promise<void> {
    // A Cluster client's status goes on changing after its end, and a second disconnect never ends.
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end(): Promise<void> {
    const { reading } = this.#options
    if (reading.status === 'end') return
    // Between two attempts there is no connection whose end could be told.
    const waits = reading.status === 'reconnecting'
    const ended = new Promise<void>((resolve) => reading.once('end', () => resolve()))
    reading.disconnect()
    if (!waits) await ended
  }

  async #entries(reply: StreamsReply): Promise<readonly Entry[]> {
    const entries: Entry[] = []
    const beyond: string[] = []
    let largest = 0
    for (const [source, replies] of reply ?? []) {
      const again = source === this.#keys.again
      for (const [id, flat] of replies) {
        const { until } = this.#options
        if (!again && until !== undefined && compareIds(id, until) > 0) {
          beyond.push(id)
          continue
        }
        const fields = recordOf(flat ?? [])
        largest = Math.max(largest, fields.data?.length ?? 0)
        entries.push({ id, again, fields, deliveries: 1, suspect: false })
      }
    }
    this.#largestBytes = Math.max(256, largest, this.#largestBytes * SIZE_DECAY)
    if (beyond.length > 0) {
      this.#pastEnd = true
      await this.#options.commands.xack(this.#keys.stream, this.#options.group, ...beyond)
    }
    return entries
  }
}
