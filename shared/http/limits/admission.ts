import { pathOf } from '../../url-path.ts'
import { problemResponse, SharedError, sharedProblems } from '../problem-errors.ts'
import type { Gate, RequestContext } from '../request-context.ts'
import { type EventLoopLag, watchEventLoop } from './event-loop-lag.ts'

/** Why a request was answered 503 without being served. */
export const shedReasons = ['in_flight', 'event_loop'] as const
export type ShedReason = (typeof shedReasons)[number]

export interface AdmissionOptions {
  /** Requests that are served at once, at most. What streams its answer counts until that begins. */
  readonly maxConcurrent: number
  /** Sheds while the event loop stays later than this, milliseconds. 0: never. */
  readonly shedLagMs: number
  /** Refuses a request for a reason of its own. */
  readonly refuse: (context: RequestContext) => SharedError | undefined
  readonly shed: (reason: ShedReason) => void
}

export interface Admission {
  /** For `requestContext`. */
  readonly gate: Gate
  /** How many requests are served now. */
  readonly active: () => number
  readonly close: () => void
}

/** They are asked most urgently when nothing else goes any more. */
const alwaysServed: ReadonlySet<string> = new Set(['/live', '/ready', '/health', '/metrics'])

/**
 * Decides before anything else is done for a request whether it is served. Beyond its bounds a process answers 503 with
 * `Retry-After` at once, which keeps it fast for those that it serves; health and metrics are always answered.
 */
export function createAdmission({ maxConcurrent, shedLagMs, refuse, shed }: AdmissionOptions): Admission {
  const lag: EventLoopLag | undefined = shedLagMs > 0 ? watchEventLoop({ maxMs: shedLagMs }) : undefined
  let active = 0
  const leave = () => {
    active -= 1
  }

  const busy = (reason: ShedReason): SharedError => {
    shed(reason)
    return new SharedError('SERVICE_BUSY', 'Too much to do at the moment', {
      headers: { 'retry-after': '1' },
    })
  }

  return {
    gate(context) {
      if (alwaysServed.has(pathOf(context.request.url))) return undefined
      const refusal =
        refuse(context) ??
        (active >= maxConcurrent ? busy('in_flight') : lag?.isHigh() ? busy('event_loop') : undefined)
      if (refusal) return problemResponse(refusal, sharedProblems[refusal.code], context.request)
      active += 1
      context.leave = leave
      return undefined
    },
    active: () => active,
    close: () => lag?.close(),
  }
}
