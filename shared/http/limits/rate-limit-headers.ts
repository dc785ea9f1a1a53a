import { SharedError } from '../problem-errors.ts'
import type { RequestContext } from '../request-context.ts'
import type { Standing } from './quota.ts'

/**
 * Tells the client how it stands with one more policy: `RateLimit-Policy: "user";q=1200;w=60` and
 * `RateLimit: "user";r=1199;t=60`.
 *
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-11
 */
export function tellStanding(context: RequestContext, { quota, used, resetMs }: Standing): void {
  const { policy, points, seconds } = quota
  const { answerHeaders: headers } = context
  const remaining = Math.max(0, points - used)
  append(headers, 'ratelimit-policy', `"${policy}";q=${points};w=${seconds}`)
  append(headers, 'ratelimit', `"${policy}";r=${remaining};t=${secondsOf(resetMs)}`)
}

/** `RATE_LIMITED`, with the time to wait in `Retry-After`: never sooner than `t` of `RateLimit`. */
export function rateLimited({ resetMs }: Standing): SharedError {
  const seconds = secondsOf(resetMs)
  return new SharedError('RATE_LIMITED', `Too many requests; try again in ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  })
}

function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}

function append(headers: Record<string, string>, name: string, item: string): void {
  const before = headers[name]
  headers[name] = before === undefined ? item : `${before}, ${item}`
}
