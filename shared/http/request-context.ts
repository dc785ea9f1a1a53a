import { Elysia } from 'elysia'
import { currentWork, runAs, type WorkContext } from '../context.ts'
import {
  boundedBaggage,
  enterTrace,
  type Sampler,
  type TraceContext,
  traceContextOf,
} from '../trace-context.ts'
import type { WebGuard } from './web-guard.ts'

/** Who a request acts for, as its access token says. */
export interface Principal<Role extends string = string> {
  readonly userId: number
  readonly role: Role
}

/** What is known of the request being served; one per request, in every hook and handler. */
export interface RequestContext extends WorkContext {
  readonly request: Request
  /** From `X-Correlation-Id` where that is well-formed, else a new UUID. At most 128 characters. */
  readonly correlationId: string
  /** The client's address; undefined where the runtime does not know it. */
  readonly address: () => string | undefined
  /** The route's pattern, `/api/users/:id`; undefined until it is known, and for an unknown path. */
  route: string | undefined
  principal: Principal | undefined
  /** What its answer is sent with beside its own headers, whoever gives it. */
  readonly answerHeaders: Record<string, string>
  beforeCommit?: WorkContext['beforeCommit']
  /** Sees the answer before it is sent, and gives the one that is. Must not reject. */
  beforeAnswer?: ((response: Response) => Promise<Response>) | undefined
  /** Called once when it has been served, or failed. */
  leave?: (() => void) | undefined
}

/** Answers a request in its place, or lets it in; `leave` of its context tells it when that one is done. */
export type Gate = (context: RequestContext) => Response | undefined

/** Told about every request once its response is ready to be sent. Must not throw. */
export type RequestObserver = (context: RequestContext, status: number, durationMs: number) => void

/** The request being served by the caller; undefined outside of one. */
export function currentRequest(): RequestContext | undefined {
  const work = currentWork()
  return work !== undefined && 'request' in work ? (work as RequestContext) : undefined
}

/** What Elysia wraps; its own types say only `Function`. */
type Handle = (request: Request) => unknown

const wellFormedId = /^[\w.:@-]{1,128}$/

/**
 * Gives each request a context and tells the observers how it ended. Mount it first.
 *
 * It wraps the whole of Elysia's handling, so that hooks, error answers and unknown paths are covered alike, and the
 * status is the one that is sent.
 */
export function requestContext({
  clientAddress = () => undefined,
  observers = [],
  closing = () => false,
  gate,
  sampler,
  guard,
  timeoutMs = Number.POSITIVE_INFINITY,
}: {
  clientAddress?: (request: Request) => string | undefined
  observers?: readonly RequestObserver[]
  /** True once clients should not send their next request to this process. */
  closing?: () => boolean
  /** Asked before anything else is done for a request. */
  gate?: Gate
  /** Which requests are traced; without one their traces are only handed on. */
  sampler?: Sampler | undefined
  /** Stands around all routes; default nothing does. */
  guard?: WebGuard
  /** How long a request may wait for the database and other services, milliseconds. Default for ever. */
  timeoutMs?: number
} = {}) {
  class Context implements RequestContext {
    readonly request: Request
    readonly correlationId: string
    readonly startedAtMs = performance.now()
    deadlineMs = this.startedAtMs + timeoutMs
    route: string | undefined = undefined
    principal: Principal | undefined = undefined
    readonly answerHeaders: Record<string, string> = {}
    readonly trace: TraceContext
    /** Not `#`: what runs at another place of the trace inherits from this. */
    private knownAddress: string | undefined = undefined
    beforeCommit: WorkContext['beforeCommit'] = undefined
    beforeAnswer: RequestContext['beforeAnswer'] = undefined
    leave: RequestContext['leave'] = undefined

    constructor(request: Request) {
      const { headers } = request
      const received = headers.get('x-correlation-id')
      const traceparent = headers.get('traceparent')
      const parent = traceparent === null ? undefined : traceContextOf(traceparent, headers.get('tracestate'))
      this.trace = enterTrace(parent, sampler)
      this.request = request
      this.correlationId = received !== null && wellFormedId.test(received) ? received : crypto.randomUUID()
    }

    address(): string | undefined {
      this.knownAddress ??= clientAddress(this.request)
      return this.knownAddress
    }

    isAbandoned(): boolean {
      return this.deadlineMs !== Number.POSITIVE_INFINITY && this.request.signal.aborted
    }

    baggage(): string | undefined {
      return boundedBaggage(this.request.headers.get('baggage'))
    }
  }

  const finish = (context: Context, response: Response): Response => {
    // What goes on after the answer is not the request's any more.
    context.deadlineMs = Number.POSITIVE_INFINITY
    const { headers } = response
    headers.set('x-correlation-id', context.correlationId)
    for (const name in context.answerHeaders) headers.set(name, context.answerHeaders[name] ?? '')
    guard?.dress(context.request, headers)
    if (closing()) headers.set('connection', 'close')
    const durationMs = performance.now() - context.startedAtMs
    const { status } = response
    for (const observe of observers) observe(context, status, durationMs)
    return response
  }

  const answered = (context: Context, response: Response): Response | Promise<Response> => {
    context.leave?.()
    if (context.beforeAnswer === undefined) return finish(context, response)
    return context.beforeAnswer(response).then((changed) => finish(context, changed))
  }

  return (
    new Elysia({ name: 'request-context' })
      .wrap((handle) => (request: Request) => {
        const context = new Context(request)
        const failed = (error: unknown): never => {
          context.leave?.()
          throw error
        }
        let answer: Response | Promise<Response>
        try {
          answer = runAs(
            context,
            () =>
              gate?.(context) ??
              guard?.intercept(request) ??
              ((handle as Handle)(request) as Response | Promise<Response>),
          )
        } catch (error) {
          return failed(error)
        }
        if (answer instanceof Promise) return answer.then((response) => answered(context, response), failed)
        return answered(context, answer)
      })
      // In braces: Elysia awaits a hook whose source looks as if it returned what another function gives, and a request
      // that need not wait is served in one go.
      .onParse({ as: 'global' }, ({ route }) => {
        rememberRoute(route)
      })
      .onTransform({ as: 'global' }, ({ route }) => {
        rememberRoute(route)
      })
  )
}

function rememberRoute(route: string): void {
  const context = currentRequest()
  if (context) context.route = route
}
