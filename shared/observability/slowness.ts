import { currentWork } from '../context.ts'
import type { RequestObserver } from '../http/request-context.ts'
import type { QueryObserver } from '../postgres/query-observer.ts'
import type { Logger } from './logger.ts'

/**
 * Logs at DEBUG each statement of a request or an event, and warns of any that took too long; without their parameters.
 * What the service asks by itself, several times a second, would bury them.
 *
 * @param thresholdMs 0 warns of none.
 */
export function queryLog(
  logger: Pick<Logger, 'warn' | 'debug' | 'isLevelEnabled'>,
  thresholdMs: number,
): QueryObserver {
  return ({ statement: { sql }, startedAtMs, endedAtMs, waitedMs }) => {
    const durationMs = endedAtMs - startedAtMs
    const isSlow = thresholdMs > 0 && durationMs >= thresholdMs
    if (!isSlow && (!logger.isLevelEnabled('debug') || currentWork() === undefined)) return
    const fields = {
      sql: sql.slice(0, maxSqlLength),
      duration_ms: rounded(durationMs),
      waited_ms: rounded(waitedMs),
    }
    if (isSlow) logger.warn(fields, 'slow query')
    else logger.debug(fields, 'query')
  }
}

/** Warns of a request that took too long. */
export function slowRequests(logger: Pick<Logger, 'warn'>, thresholdMs: number): RequestObserver {
  return (context, status, durationMs) => {
    if (durationMs < thresholdMs) return
    const { request, route, correlationId } = context
    const trace = context.trace
    logger.warn(
      {
        correlation_id: correlationId,
        ...(trace && { trace_id: trace.traceId, span_id: trace.spanId }),
        method: request.method,
        route: route ?? null,
        status,
        duration_ms: rounded(durationMs),
      },
      'slow request',
    )
  }
}

const maxSqlLength = 2000

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
