import { currentWork } from '../context.ts'
import { enterTrace, type Sampler, type TraceContext } from '../trace-context.ts'

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/** An outgoing request that was answered, or failed. Times are those of `performance.now()`. */
export interface EndedFetch {
  readonly trace: TraceContext
  readonly method: string
  readonly url: URL
  readonly startedAtMs: number
  readonly endedAtMs: number
  /** Undefined where there was no answer. */
  readonly status: number | undefined
  readonly error: unknown
}

export interface TracedFetchOptions {
  /** Default: the global one. */
  readonly fetch?: Fetch
  readonly sampler?: Sampler | undefined
  /** Told about requests that are sampled. */
  readonly ended?: ((request: EndedFetch) => void) | undefined
}

/**
 * `fetch` for other services of one's own: they are told the correlation id, the trace and the baggage of the work that
 * asks, unless the caller has set these headers. Gives and throws what `fetch` does.
 */
export function tracedFetch({ fetch = globalThis.fetch, sampler, ended }: TracedFetchOptions = {}): Fetch {
  return async (input, init) => {
    const work = currentWork()
    const parent = work?.trace
    const trace =
      parent && ended && parent.sampled ? parent.child() : (parent ?? enterTrace(undefined, sampler))
    const request = new Request(input, init)
    const { headers, method } = request
    const carried = {
      traceparent: trace.traceparent,
      tracestate: trace.tracestate,
      baggage: work?.baggage?.(),
      'x-correlation-id': work?.correlationId,
    }
    for (const [name, value] of Object.entries(carried))
      if (value !== undefined && !headers.has(name)) headers.set(name, value)
    if (ended === undefined || !trace.sampled) return await fetch(request)

    const startedAtMs = performance.now()
    const asked = { trace, method, url: new URL(request.url), startedAtMs }
    try {
      const response = await fetch(request)
      ended({ ...asked, endedAtMs: performance.now(), status: response.status, error: undefined })
      return response
    } catch (error) {
      ended({ ...asked, endedAtMs: performance.now(), status: undefined, error })
      throw error
    }
  }
}
