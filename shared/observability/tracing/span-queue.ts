import { withinTime } from '../../deadline.ts'
import type { Logger } from '../logger.ts'
import type { Message, SpanEncoder } from './otlp-encoding.ts'

/**
 * Sends the message of a batch; gives how many of its spans the collector refused. Rejects where it took none, or `signal` was
 * aborted before.
 */
export type SendSpans = (message: Message, signal: AbortSignal) => Promise<number>

export interface SpanQueueOptions<Span> {
  readonly encoder: SpanEncoder<Span>
  readonly send: SendSpans
  readonly logger: Pick<Logger, 'warn' | 'info'>
  /** Longest that a span waits, milliseconds. */
  readonly delayMs: number
  /** Longest that one batch may take to be sent, milliseconds. */
  readonly timeoutMs: number
  /** What waits at most; spans beyond that are dropped. */
  readonly maxQueue: number
  readonly maxBatch: number
}

interface SpanBatch {
  readonly message: Message | Promise<Message>
  readonly spans: number
}

/** How many spans the queue has got rid of, and how. */
export interface SpanCounts {
  exported: number
  /** The queue was full: the collector is too slow. */
  overflowed: number
  /** The collector did not take them. */
  failed: number
}

/**
 * Spans on their way to the collector, in batches, one at a time. Never waits for the collector and never throws: what
 * it does not take is dropped and counted, and the log says so once until it takes spans again.
 */
export class SpanQueue<Span> {
  readonly counts: SpanCounts = { exported: 0, overflowed: 0, failed: 0 }
  readonly #options: SpanQueueOptions<Span>
  /** Full batches. */
  #ready: SpanBatch[] = []
  /** Spans that the encoder holds. */
  #begun = 0
  #sending: Promise<void> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #warned = false
  #closed = false

  constructor(options: SpanQueueOptions<Span>) {
    this.#options = options
  }

  add(span: Span): void {
    const { maxQueue, maxBatch, delayMs } = this.#options
    if (this.#waiting >= maxQueue) {
      this.counts.overflowed += 1
      this.#warn(undefined)
      return
    }
    this.#options.encoder.add(span)
    this.#begun += 1
    if (this.#begun >= maxBatch) this.#ready.push(this.#take())
    if (this.#sending !== undefined || this.#closed) return
    if (this.#ready.length > 0) this.#send()
    else this.#timer ??= setTimeout(() => this.#send(), delayMs)
  }

  async flush(): Promise<void> {
    while (this.#sending !== undefined || this.#waiting > 0) {
      if (this.#sending === undefined) this.#send()
      await this.#sending
    }
  }

  /** Sends what waits, for so long as `timeoutMs` allows; the rest is counted as dropped. */
  async close(timeoutMs: number): Promise<void> {
    await withinTime(this.flush(), timeoutMs, undefined)
    this.#closed = true
    clearTimeout(this.#timer)
    this.counts.failed += this.#waiting
    this.#ready = []
    this.#begun = 0
  }

  /** Spans that wait, in whole. */
  get #waiting(): number {
    return this.#ready.length * this.#options.maxBatch + this.#begun
  }

  #take(): SpanBatch {
    const spans = this.#begun
    this.#begun = 0
    const message = this.#options.encoder.take()
    // A batch may wait for its turn: that it failed is told then.
    if (message instanceof Promise) message.catch(() => {})
    return { message, spans }
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting === 0) return
    this.#sending = this.#export(this.#ready.shift() ?? this.#take()).finally(() => {
      this.#sending = undefined
      if (this.#waiting === 0 || this.#closed) return
      if (this.#ready.length > 0) this.#send()
      else this.#timer ??= setTimeout(() => this.#send(), this.#options.delayMs)
    })
  }

  async #export({ message, spans }: SpanBatch): Promise<void> {
    const { send, timeoutMs } = this.#options
    const ending = new AbortController()
    const timer = setTimeout(() => ending.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    try {
      const refused = await send(await message, ending.signal)
      this.counts.exported += spans - refused
      this.counts.failed += refused
      if (refused > 0) this.#warn(new Error(`the collector refused ${refused} of ${spans} spans`))
      else this.#recovered()
    } catch (error) {
      this.counts.failed += spans
      this.#warn(error)
    } finally {
      clearTimeout(timer)
    }
  }

  #recovered(): void {
    if (this.#warned) this.#options.logger.info('the collector takes spans again')
    this.#warned = false
  }

  #warn(error: unknown): void {
    if (this.#warned) return
    this.#warned = true
    const reason = error === undefined ? {} : { err: error }
    this.#options.logger.warn(reason, 'the collector does not take all spans: they are dropped')
  }
}
