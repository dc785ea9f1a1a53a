import { DUPLICATE_WINDOW_MS } from '../duplicates.ts'
import type { AppendOutcome, AppendRun, Fields } from '../transport.ts'
import { type AppendPart, appendParts, argumentsOf, outcomeOf } from './append-parts.ts'
import { APPEND } from './append-script.ts'
import { type RedisClient, ready, within } from './connections.ts'
import { streamKey, tagKeys } from './keys.ts'
import { runScript } from './run-script.ts'

export interface AppenderOptions {
  readonly publish: RedisClient
  readonly prefix: string
  /** How long an append may take altogether. */
  readonly timeoutMs: number
  /** At the cap: refuse, or let retention take what was not consumed, counted. */
  readonly overflow: 'refuse' | 'trim'
  /** Replicas that must have an event before it counts as sent; 0 waits for none. */
  readonly waitReplicas: number
  /** Default ten minutes. */
  readonly duplicateWindowMs?: number | undefined
  /** Events whose repetition is known, of one tag; up to twice as many while it is busy. Default 200,000. */
  readonly maxRemembered?: number | undefined
}

/** Adds entries to streams, each event once, those of a key in their order. */
export class Appender {
  readonly #options: AppenderOptions
  readonly #settings: readonly string[]

  constructor(options: AppenderOptions) {
    const { duplicateWindowMs = DUPLICATE_WINDOW_MS, maxRemembered = 200_000, overflow } = options
    this.#options = options
    this.#settings = [String(duplicateWindowMs), String(maxRemembered), overflow === 'refuse' ? '1' : '0']
  }

  /** As `StreamTransport.append`. */
  async append(tag: string, entries: readonly Fields[], run?: AppendRun): Promise<readonly AppendOutcome[]> {
    const { publish, timeoutMs, waitReplicas } = this.#options
    const startedAt = performance.now()
    const leftMs = () => Math.max(1, timeoutMs - (performance.now() - startedAt))
    try {
      // What can be sent is sent before this returns: the server works while the caller makes more.
      if (publish.status !== 'ready') await ready(publish, timeoutMs)
    } catch (cause) {
      return entries.map(() => ({ ok: false, sent: 'no', cause }))
    }
    const parts = appendParts(entries, run).map((part) => this.#send(tag, part, leftMs()))
    const outcomes = (await Promise.all(parts)).flat()
    if (waitReplicas === 0 || !outcomes.some(({ ok }) => ok)) return outcomes
    const cause = await this.#replicated(tag, leftMs())
    if (cause === undefined) return outcomes
    return outcomes.map((outcome) => (outcome.ok ? { ok: false, sent: 'maybe', cause } : outcome))
  }

  async #send(tag: string, part: AppendPart, leftMs: number): Promise<readonly AppendOutcome[]> {
    const { publish, prefix } = this.#options
    const { stream, seen, seenBefore, full, trimmed } = tagKeys(prefix, tag)
    const keys = [stream, seen, seenBefore, full, trimmed]
    const args = [...this.#settings, ...argumentsOf(part)]
    try {
      const replies = await within(publish, leftMs, runScript(publish, APPEND, keys, args))
      return part.entries.map((_, at) => outcomeOf((replies as string[])[at]))
    } catch (cause) {
      return part.entries.map(() => ({ ok: false, sent: sentBefore(cause), cause }))
    }
  }

  /**
   * Waits for the replicas; gives what kept them. Whatever else this connection has to say waits as long, so it is asked for
   * half of the time that is left. In a cluster the stream's key leads to its master.
   *
   * @see https://redis.io/docs/latest/commands/wait/
   */
  async #replicated(tag: string, leftMs: number): Promise<unknown> {
    const { publish, prefix, waitReplicas } = this.#options
    const waitMs = Math.ceil(leftMs / 2)
    const asked = publish.pipeline().exists(streamKey(prefix, tag)).wait(waitReplicas, waitMs)
    try {
      const [, [error, count] = []] = (await within(publish, leftMs, asked.exec())) ?? []
      if (error) return error
      if (Number(count) >= waitReplicas) return undefined
      return new Error(`${count} of ${waitReplicas} replicas have confirmed it`)
    } catch (cause) {
      return cause
    }
  }
}

/** A refusal by the server, or a connection that took nothing, is certain; anything else may have arrived. */
function sentBefore(error: unknown): 'no' | 'maybe' {
  if (!(error instanceof Error)) return 'maybe'
  return error.name === 'ReplyError' || /^(Stream isn't writeable|Cluster isn't ready)/.test(error.message)
    ? 'no'
    : 'maybe'
}
