import type { PoolClient } from 'pg'
import { currentWork, type WorkContext } from '../context.ts'
import { requestTimeout } from '../deadline.ts'
import { AppError } from '../errors.ts'
import { requestCancel } from './cancel-request.ts'

/** How often it is looked whether somebody has gone or a time is up: a statement that is quicker costs nothing. */
const everyMs = 50

/** So long after its time a statement must have ended, else the server does not answer. */
const graceMs = 1000

/** Something that work waits for. */
interface Waiting {
  readonly work: WorkContext
  /** Tells whoever waits why nothing comes. */
  readonly end: (reason: AppError) => void
  /** Ends what does not answer. */
  readonly cut?: () => void
  reason?: AppError | undefined
}

const waiting = new Set<Waiting>()
let timer: ReturnType<typeof setInterval> | undefined

/**
 * The work that the caller is part of, where its time is limited.
 *
 * @throws {AppError} `REQUEST_TIMEOUT` when it is up.
 */
export function limitedWork(): WorkContext | undefined {
  const work = currentWork()
  if (work?.deadlineMs === undefined || work.deadlineMs === Number.POSITIVE_INFINITY) return undefined
  if (performance.now() >= work.deadlineMs) throw requestTimeout()
  return work
}

/** A running statement of some work, on a connection of its own or one that it shares. */
export class WatchedStatement implements Waiting {
  readonly work: WorkContext
  /** Why it was to be cancelled. */
  reason: AppError | undefined = undefined
  /** Resolves when a cancellation can reach no later statement. */
  cancelled: Promise<void> | undefined = undefined
  readonly #client: PoolClient
  readonly #shared: boolean

  constructor(work: WorkContext, client: PoolClient, shared: boolean) {
    this.work = work
    this.#client = client
    this.#shared = shared
    watch(this)
  }

  end(): void {
    // Others' statements would be cancelled in its place.
    if (!this.#shared) this.cancelled = requestCancel(this.#client, graceMs)
  }

  cut(): void {
    // The pool and `pg` see a connection that was lost.
    ;(this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
  }

  done(): void {
    waiting.delete(this)
  }
}

/**
 * Waits for a connection, as long as the work has time. One that comes too late is given to `unwanted`.
 *
 * @throws {AppError} `REQUEST_TIMEOUT` or `REQUEST_ABANDONED`.
 */
export function connectionFor<Connection>(
  work: WorkContext,
  connecting: Promise<Connection>,
  unwanted: (connection: Connection) => void,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const entry: Waiting = { work, end: reject }
    watch(entry)
    connecting.then(
      (connection) => {
        waiting.delete(entry)
        if (entry.reason) unwanted(connection)
        else resolve(connection)
      },
      (error: unknown) => {
        waiting.delete(entry)
        reject(error)
      },
    )
  })
}

function watch(entry: Waiting): void {
  waiting.add(entry)
  if (timer !== undefined) return
  timer = setInterval(look, everyMs)
  timer.unref()
}

function look(): void {
  if (waiting.size === 0) {
    clearInterval(timer)
    timer = undefined
  }
  const nowMs = performance.now()
  for (const entry of waiting) {
    const { work, reason } = entry
    const { deadlineMs = Number.POSITIVE_INFINITY } = work
    if (reason === undefined) {
      if (nowMs >= deadlineMs) entry.reason = requestTimeout()
      else if (work.isAbandoned?.()) entry.reason = abandoned()
      if (entry.reason) entry.end(entry.reason)
    } else if (nowMs >= deadlineMs + graceMs) {
      waiting.delete(entry)
      entry.cut?.()
    }
  }
}

function abandoned(): AppError {
  return new AppError('REQUEST_ABANDONED', 'Nobody waits for the answer any more')
}
