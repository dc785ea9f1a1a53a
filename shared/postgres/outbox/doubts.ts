import { setTimeout } from 'node:timers/promises'
import type { EventLogger } from '../../events/observer.ts'
import { type Backoff, backoffMs } from '../../events/retry.ts'
import type { OutboxObserver } from './observer.ts'
import type { Redriven } from './redrive.ts'

/** Clocks differ, and what was well may have been so a little earlier. */
const marginMs = 60_000

export interface DoubtsOptions {
  /** Sends again what was lost since. */
  readonly redrive: (sinceMs: number, stopped: () => boolean) => Promise<Redriven>
  /** When the newest event was sent; undefined when there is none. */
  readonly lastSentMs: () => Promise<number | undefined>
  readonly logger: EventLogger
  readonly observer: OutboxObserver
  readonly backoff: Backoff
  readonly random: () => number
}

/** Looks for lost events whenever there is doubt, until it has seen them all. */
export class Doubts {
  readonly #options: DoubtsOptions
  readonly #stopping = new AbortController()
  #wellAtMs: number | 'unknown' | undefined
  #running: Promise<void> | undefined

  constructor(options: DoubtsOptions) {
    this.#options = options
  }

  /** What was sent later than a minute before `wellAtMs`, or before the newest that was sent, may be lost. */
  raise(wellAtMs: number | 'unknown'): void {
    this.#wellAtMs = this.#earlier(wellAtMs)
    if (this.#stopping.signal.aborted) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  #earlier(wellAtMs: number | 'unknown'): number | 'unknown' {
    if (typeof wellAtMs === 'string') return this.#wellAtMs ?? wellAtMs
    return typeof this.#wellAtMs === 'number' ? Math.min(this.#wellAtMs, wellAtMs) : wellAtMs
  }

  async #run(): Promise<void> {
    const { logger, backoff, random } = this.#options
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted && this.#wellAtMs !== undefined) {
      const wellAtMs = this.#wellAtMs
      this.#wellAtMs = undefined
      try {
        await this.#look(wellAtMs)
        failures = 0
      } catch (err) {
        this.#wellAtMs = this.#earlier(wellAtMs)
        failures++
        if (failures === 1) logger.warn({ err }, 'looking for events that the event server has lost failed')
        await setTimeout(backoffMs(failures, backoff, random), undefined, { signal }).catch(() => {})
      }
    }
  }

  async #look(wellAtMs: number | 'unknown'): Promise<void> {
    const { redrive, lastSentMs, logger, observer } = this.#options
    const lastWellMs = wellAtMs === 'unknown' ? await lastSentMs() : wellAtMs
    if (lastWellMs === undefined) return
    const { checked, missing, sent } = await redrive(
      lastWellMs - marginMs,
      () => this.#stopping.signal.aborted,
    )
    if (sent > 0) observer.redriven?.(sent)
    if (missing > 0)
      logger.error({ checked, missing, sent }, 'the event server had lost events: they were sent again')
  }
}
