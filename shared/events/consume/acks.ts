import type { Entry } from '../transport.ts'

const FLUSH_COUNT = 100
const FLUSH_MS = 5
const RETRY_MS = 200

/** Gathers acknowledgements and sends them at 100 or after 5 ms, whichever comes first; never waits for a handler. */
export class Acks {
  readonly #send: (entries: readonly Entry[]) => Promise<void>
  readonly #sent: (entries: readonly Entry[]) => void
  #entries: Entry[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #flushing = 0

  /** @param sent is told which entries the server has taken. */
  constructor(send: (entries: readonly Entry[]) => Promise<void>, sent: (entries: readonly Entry[]) => void) {
    this.#send = send
    this.#sent = sent
  }

  get pending(): number {
    return this.#entries.length + this.#flushing
  }

  add(entry: Entry): void {
    this.#entries.push(entry)
    if (this.#entries.length >= FLUSH_COUNT) void this.flush()
    else this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS)
  }

  /** Never rejects: what the server did not take is sent again, until `stop`. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#entries
    if (batch.length === 0) return
    this.#entries = []
    this.#flushing += batch.length
    try {
      await this.#send(batch)
      this.#sent(batch)
    } catch {
      this.#entries.push(...batch)
      this.#timer ??= setTimeout(() => void this.flush(), RETRY_MS)
    } finally {
      this.#flushing -= batch.length
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
