import { compareIds } from '../entry-id.ts'
import type { EventLogger } from '../observer.ts'
import type { EventArchive } from '../outbox.ts'
import type { ReplayPart } from '../replay-jobs.ts'
import type { GroupOperations } from '../transport.ts'
import { Signal } from './signal.ts'

const PAGE = 100
const FIRST_WAIT_MS = 10
const MAX_WAIT_MS = 500

export interface ArchiveFeederOptions {
  readonly part: ReplayPart
  readonly types: readonly string[]
  readonly operations: Pick<GroupOperations, 'fed' | 'feed'>
  /** Undefined in a process without one, which only watches others feed. */
  readonly archive: EventArchive | undefined
  readonly logger: EventLogger
}

/**
 * Puts what the stream keeps no longer before a replay's group, a page at a time and only while few entries wait there.
 * Every process that runs the replay does; each page is taken from one of them.
 */
export class ArchiveFeeder {
  readonly #options: ArchiveFeederOptions
  readonly #wake = new Signal()
  #loop: Promise<void> = Promise.resolve()
  #stopped = false
  #done: boolean

  constructor(options: ArchiveFeederOptions) {
    this.#options = options
    this.#done = options.part.archive === undefined
  }

  /** True once everything archived was delivered and finished or put aside: the stream's own entries may follow. */
  get done(): boolean {
    return this.#done
  }

  start(): void {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake.notify()
    await this.#loop
  }

  async #run(): Promise<void> {
    for (let waitMs = FIRST_WAIT_MS; !this.#done && !this.#stopped; ) {
      try {
        waitMs = (await this.#step()) ? FIRST_WAIT_MS : Math.min(waitMs * 2, MAX_WAIT_MS)
      } catch (error) {
        this.#options.logger.warn({ err: error }, 'a replay could not be fed from the archive; trying again')
        waitMs = MAX_WAIT_MS
      }
      if (!this.#done && !this.#stopped) await this.#wake.wait(waitMs)
    }
  }

  /** True when it has fed a page. */
  async #step(): Promise<boolean> {
    const { part, types, operations, archive } = this.#options
    const { after, until } = part.archive ?? part
    const { position = after, waiting } = await operations.fed()
    if (compareIds(position, until) >= 0) this.#done = waiting === 0
    if (this.#done || !archive || waiting >= PAGE || compareIds(position, until) >= 0) return false
    const page = await archive.range(part.tag, position, until, PAGE)
    const entries = page.filter(({ fields }) => types.includes(fields.type ?? ''))
    const next = page.length < PAGE ? until : (page.at(-1)?.id ?? until)
    return operations.feed(entries, { after: position, until: next })
  }
}
