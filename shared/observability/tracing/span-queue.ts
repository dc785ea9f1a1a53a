import type { ExportResult } from '@opentelemetry/core'
import { withinTime } from '../../deadline.ts'
import type { Logger } from '../logger.ts'

/** Sends a batch, and says in the end how that went. */
export type SendSpans<Span> = (batch: readonly Span[], done: (result: ExportResult) => void) => void

export interface SpanQueueOptions<Span> {
  readonly send: SendSpans<Span>
  readonly logger: Pick<Logger, 'warn' | 'info'>
  /** Longest that a span waits, milliseconds. */
  readonly delayMs: number
  /** Longest that one batch may take to be sent, milliseconds. */
  readonly timeoutMs: number
  /** What waits at most; spans beyond that are dropped. */
  readonly maxQueue: number
  readonly maxBatch: number
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
  #waiting: Span[] = []
  #sending: Promise<void> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #warned = false
  #closed = false

  constructor(options: SpanQueueOptions<Span>) {
    this.#options = options
  }

  add(span: Span): void {
    const { maxQueue, maxBatch, delayMs } = this.#options
    if (this.#waiting.length >= maxQueue) {
      this.counts.overflowed += 1
      this.#warn(undefined)
      return
    }
    this.#waiting.push(span)
    if (this.#sending !== undefined || this.#closed) return
    if (this.#waiting.length >= maxBatch) this.#send()
    else this.#timer ??= setTimeout(() => this.#send(), delayMs)
  }

  async flush(): Promise<void> {
    while (this.#sending !== undefined || this.#waiting.length > 0) {
      if (this.#sending === undefined) this.#send()
      await this.#sending
    }
  }

  /** Sends what waits, for so long as `timeoutMs` allows; the rest is counted as dropped. */
  async close(timeoutMs: number): Promise<void> {
    await withinTime(this.flush(), timeoutMs, undefined)
    this.#closed = true
    clearTimeout(this.#timer)
    this.counts.failed += this.#waiting.splice(0).length
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#waiting.splice(0, this.#options.maxBatch)
    if (batch.length === 0) return
    this.#sending = this.#export(batch).finally(() => {
      this.#sending = undefined
      if (this.#waiting.length === 0 || this.#closed) return
      if (this.#waiting.length >= this.#options.maxBatch) this.#send()
      else this.#timer ??= setTimeout(() => this.#send(), this.#options.delayMs)
    })
  }

  async #export(batch: readonly Span[]): Promise<void> {
    const { send, timeoutMs } = this.#options
    let timer: ReturnType<typeof setTimeout> | undefined
    const failure = await new Promise<{ readonly error: unknown } | undefined>((resolve) => {
      timer = setTimeout(() => resolve({ error: new Error(`no answer within ${timeoutMs} ms`) }), timeoutMs)
      try {
        send(batch, ({ code, error }) => resolve(code === 0 ? undefined : { error }))
      } catch (error) {
        resolve({ error })
      }
    })
    clearTimeout(timer)
    if (failure) {
      this.counts.failed += batch.length
      this.#warn(failure.error)
    } else {
      this.counts.exported += batch.length
      if (this.#warned) this.#options.logger.info('the collector takes spans again')
      this.#warned = false
    }
  }

  #warn(error: unknown): void {
    if (this.#warned) return
    this.#warned = true
    const reason = error === undefined ? {} : { err: error }
    this.#options.logger.warn(reason, 'the collector does not take all spans: they are dropped')
  }
}
