import { compareIds, idBefore, idBeforeTime } from './entry-id.ts'
import type { EventArchive } from './outbox.ts'
import type { StoredEntry, StreamTransport } from './transport.ts'

const PAGE = 1000
const HOUR_MS = 3_600_000

/** One entry of a tag, from wherever it is kept. */
export interface PastEntry extends StoredEntry {
  readonly archived: boolean
}

export interface PastOptions {
  readonly streams: Pick<StreamTransport, 'range' | 'backwards'>
  readonly archive: EventArchive | undefined
  readonly now: () => number
}

/** What a tag has had: its archive up to the stream's first entry, then the stream. */
export class Past {
  readonly #options: PastOptions
  readonly #tag: string

  constructor(tag: string, options: PastOptions) {
    this.#options = options
    this.#tag = tag
  }

  /** After an id, oldest first, up to the last entry that there is when it begins. */
  async *forwards(after: string): AsyncGenerator<PastEntry> {
    const { streams, archive } = this.#options
    const [newest] = await streams.backwards(this.#tag, '+', 1)
    const boundary = await this.#boundary()
    if (archive) {
      const range = (from: string) => archive.range(this.#tag, from, boundary, PAGE)
      for await (const entry of paged(range, after)) yield { ...entry, archived: true }
    }
    if (!newest) return
    for await (const entry of paged((from) => streams.range(this.#tag, from, PAGE), after)) {
      if (compareIds(entry.id, newest.id) > 0) return
      yield { ...entry, archived: false }
    }
  }

  /** Before an id ('+' for the end), newest first. */
  async *backwards(before: string): AsyncGenerator<PastEntry> {
    const { streams, archive } = this.#options
    const back = (from: string) => streams.backwards(this.#tag, from, PAGE)
    const boundary = await this.#boundary()
    for await (const entry of paged(back, before)) yield { ...entry, archived: false }
    if (!archive) return
    let until = before !== '+' && compareIds(before, boundary) <= 0 ? idBefore(before) : boundary
    // An archive is read forwards only: by hours, then days, then all that is left.
    for (let spanMs = HOUR_MS; until !== '0-0'; spanMs *= 24) {
      const after = idBeforeTime(Number.parseInt(until, 10) - spanMs)
      const range = (from: string) => archive.range(this.#tag, from, until, PAGE)
      const span: PastEntry[] = []
      for await (const entry of paged(range, after)) span.push({ ...entry, archived: true })
      yield* span.reverse()
      until = after
    }
  }

  /** The last id that may be read from the archive. */
  async #boundary(): Promise<string> {
    const { streams, now } = this.#options
    const [oldest] = await streams.range(this.#tag, '0-0', 1)
    // An empty stream: everything, and an hour more for an event server whose clock is ahead.
    return oldest ? idBefore(oldest.id) : idBeforeTime(now() + HOUR_MS)
  }
}

async function* paged(
  read: (from: string) => Promise<readonly StoredEntry[]>,
  start: string,
): AsyncGenerator<StoredEntry> {
  for (let from = start; ; ) {
    const page = await read(from)
    yield* page
    const last = page.at(-1)
    if (page.length < PAGE || !last) return
    from = last.id
  }
}
