import {
  type BulkheadPolicy,
  BulkheadRejectedError,
  bulkhead,
  ExponentialBackoff,
  type IBackoff,
} from 'cockatiel'
import { currentWork } from '../../context.ts'
import { requestTimeout } from '../../deadline.ts'
import { AppError } from '../../errors.ts'
import type { Fetch } from '../../observability/traced-fetch.ts'
import type { Breaker } from '../../resilience/breaker.ts'
import type { Breakers } from '../../resilience/breakers.ts'
import { retryAfterMs } from '../../retry-after.ts'
import { attempt, isRefused } from './attempt.ts'
import { publicFetch } from './public-fetch.ts'

export interface HttpRequest {
  readonly method?: string
  /** Sent as they are. Nothing of the request being served goes along but its trace and correlation id. */
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  readonly body?: string | Uint8Array<ArrayBuffer>
  /** Safe to be sent twice. Default by the method. */
  readonly idempotent?: boolean
  readonly signal?: AbortSignal
}

/**
 * Calls another service, and gives its answer once that is there as a whole, whatever its status. A redirect is an answer
 * too: nothing is sent to where it points.
 *
 * @throws {AppError} `DEPENDENCY_UNAVAILABLE` where it cannot be reached, or is not asked because it could not;
 * `DEPENDENCY_TIMEOUT`, `DEPENDENCY_BUSY`; `DEPENDENCY_ANSWER_INVALID` where the answer is too large; `ADDRESS_REFUSED`;
 * `REQUEST_TIMEOUT` where the request being served has no time left. What `signal` was aborted with.
 */
export type HttpClient = (url: string | URL, request?: HttpRequest) => Promise<Response>

export interface HttpClientOptions {
  /** `telemetry.tracedFetch`, which carries trace and correlation id along. */
  readonly fetch: (fetch?: Fetch) => Fetch
  readonly breakers: Breakers
  /**
   * Whose URLs are called. `configured` by the operator: any address. `outside`, such as a webhook's: only public addresses,
   * as they are resolved when connecting.
   */
  readonly urls?: 'configured' | 'outside'
  /** Longest one attempt may take, its answer included. */
  readonly timeoutMs?: number
  /** Longest all attempts may take, and the waits between them; never longer than the request being served. */
  readonly totalTimeoutMs?: number
  /** Further attempts of what is idempotent, and of what was refused before it was sent. */
  readonly retries?: number
  /** Decompressed. */
  readonly maxResponseBytes?: number
  /** Requests to one host at the same time; as many again wait. */
  readonly concurrency?: number
}

interface Host {
  readonly breaker: Breaker
  readonly slots: BulkheadPolicy
}

const idempotentMethods = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']
/** The host cannot serve now. */
const unavailable = [502, 503, 504]
const maxOutsideHosts = 1000

/** An HTTP client for calls to other services, with a breaker and a bulkhead for each host. */
export function createHttpClient({
  fetch,
  breakers,
  urls = 'configured',
  timeoutMs = 3000,
  totalTimeoutMs = 10_000,
  retries = 2,
  maxResponseBytes = 10 * 1024 * 1024,
  concurrency = 64,
}: HttpClientOptions): HttpClient {
  const isOutside = urls === 'outside'
  const send = fetch(isOutside ? publicFetch() : undefined)
  const hosts = new Map<string, Host>()
  const hostOf = ({ host }: URL): Host => {
    const known = hosts.get(host)
    if (known) return known
    // A stranger names as many as he likes.
    const [oldest] = hosts.keys()
    if (isOutside && oldest !== undefined && hosts.size >= maxOutsideHosts) hosts.delete(oldest)
    const breaker = isOutside ? breakers.unnamed() : breakers.of(`http ${host}`)
    const opened = { breaker, slots: bulkhead(concurrency, concurrency) }
    hosts.set(host, opened)
    return opened
  }

  const attemptAt = async (target: URL, init: RequestInit, untilMs: number): Promise<Response> => {
    const { breaker, slots } = hostOf(target)
    try {
      return await slots.execute(async () => {
        const leftMs = Math.min(timeoutMs, untilMs - performance.now())
        if (leftMs <= 0) throw requestTimeout()
        breaker.admit()
        return await settled(
          breaker,
          attempt(target, init, { fetch: send, timeoutMs: leftMs, maxResponseBytes }),
        )
      })
    } catch (error) {
      if (!(error instanceof BulkheadRejectedError)) throw error
      const headers = { 'retry-after': '1' }
      throw new AppError('DEPENDENCY_BUSY', `Too many requests to ${target.host}`, { cause: error, headers })
    }
  }

  return async (url, request = {}) => {
    const target = targetOf(url)
    const { method = 'GET', signal } = request
    const { idempotent = idempotentMethods.includes(method) } = request
    const init = initOf(request)
    const untilMs = Math.min(performance.now() + totalTimeoutMs, currentWork()?.deadlineMs ?? Infinity)
    let backoff: IBackoff<unknown> | undefined

    for (let left = retries; ; left -= 1) {
      let outcome: { answer: Response } | { error: unknown }
      try {
        outcome = { answer: await attemptAt(target, init, untilMs) }
      } catch (error) {
        outcome = { error }
      }
      backoff = backoff
        ? backoff.next(undefined)
        : new ExponentialBackoff({ initialDelay: 100, maxDelay: 2000 }).next()
      const waitMs = left > 0 ? waitBefore(outcome, { idempotent, leastMs: backoff.duration }) : undefined
      if (waitMs === undefined || performance.now() + waitMs >= untilMs || signal?.aborted) {
        if ('error' in outcome) throw outcome.error
        return outcome.answer
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}

/** How long until it is tried again, milliseconds; undefined where it is not. */
function waitBefore(
  outcome: { answer: Response } | { error: unknown },
  { idempotent, leastMs }: { idempotent: boolean; leastMs: number },
): number | undefined {
  if ('error' in outcome) {
    const { error } = outcome
    const code = error instanceof AppError && !('isBrokenCircuitError' in error) ? error.code : ''
    const isFailure = code === 'DEPENDENCY_UNAVAILABLE' || code === 'DEPENDENCY_TIMEOUT'
    return isFailure && (idempotent || isRefused(error)) ? leastMs : undefined
  }
  const { status, headers } = outcome.answer
  if (!idempotent || !(unavailable.includes(status) || status === 429)) return undefined
  return Math.max(leastMs, retryAfterMs(headers.get('retry-after')))
}

/** Tells the breaker how it ended. A host that answers anything else than that it is away, is there. */
async function settled(breaker: Breaker, answering: Promise<Response>): Promise<Response> {
  try {
    const answer = await answering
    if (unavailable.includes(answer.status)) breaker.failed(new Error(`it answered ${answer.status}`))
    else breaker.succeeded()
    return answer
  } catch (error) {
    const code = error instanceof AppError ? error.code : ''
    if (code === 'DEPENDENCY_UNAVAILABLE' || code === 'DEPENDENCY_TIMEOUT') breaker.failed(error)
    else if (code === 'DEPENDENCY_ANSWER_INVALID') breaker.succeeded()
    else breaker.undecided()
    throw error
  }
}

function targetOf(url: string | URL): URL {
  const target = new URL(url)
  if (!/^https?:$/.test(target.protocol))
    throw new AppError('ADDRESS_REFUSED', 'Only http and https are called')
  if (target.username || target.password)
    throw new AppError('ADDRESS_REFUSED', 'Credentials belong in a header, not in a URL')
  return target
}

function initOf({ method = 'GET', headers = {}, json, body, signal }: HttpRequest): RequestInit {
  return {
    method,
    headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(json !== undefined ? { body: JSON.stringify(json) } : body !== undefined && { body }),
    ...(signal && { signal }),
  }
}
