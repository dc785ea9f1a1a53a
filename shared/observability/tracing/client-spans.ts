import { type Attributes, SpanKind } from '@opentelemetry/api'
import { currentWork } from '../../context.ts'
import type { QueryObserver } from '../../postgres/query-observer.ts'
import type { RedisObserver } from '../../redis-commands.ts'
import { methodName } from '../method-name.ts'
import type { EndedFetch } from '../traced-fetch.ts'
import { errorType, type RecordSpan } from './recorder.ts'

const maxTextLength = 2000

/**
 * A client span for each statement, with its text, never its parameters.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/database/postgresql/
 */
export function querySpans(record: RecordSpan): QueryObserver {
  return ({ statement, startedAtMs, endedAtMs, waitedMs, error }) => {
    const parent = currentWork()?.trace
    if (!parent?.sampled) return
    const { operation, summary, sql } = statement
    record({
      name: summary,
      kind: SpanKind.CLIENT,
      trace: parent.child(),
      startedAtMs,
      endedAtMs,
      attributes: {
        'db.system.name': 'postgresql',
        'db.operation.name': operation,
        'db.query.summary': summary,
        'db.query.text': sql.slice(0, maxTextLength),
        ...(waitedMs > 0 && { 'db.client.connection.wait_time': waitedMs / 1000 }),
      },
      ...(error !== undefined && { error: errorType(error) }),
    })
  }
}

/**
 * A client span for each command, script or pipeline, without keys and values.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/database/redis/
 */
export function commandSpans(record: RecordSpan): RedisObserver['command'] {
  return ({ name, script, batchSize, work, startedAtMs, endedAtMs, error }) => {
    const parent = work?.trace
    if (!parent?.sampled) return
    const attributes: Attributes = {
      'db.system.name': 'redis',
      'db.operation.name': name,
      ...(script !== undefined && { 'db.stored_procedure.name': script }),
      ...(batchSize > 1 && { 'db.operation.batch.size': batchSize }),
    }
    record({
      name: script === undefined ? name : `${name} ${script}`,
      kind: SpanKind.CLIENT,
      trace: parent.child(),
      startedAtMs,
      endedAtMs,
      attributes,
      ...(error !== undefined && { error: errorType(error) }),
    })
  }
}

/**
 * A client span for each outgoing request, without the query of its URL.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/
 */
export function fetchSpans(record: RecordSpan): (request: EndedFetch) => void {
  return ({ trace, method, url, startedAtMs, endedAtMs, status, error }) => {
    const name = methodName(method)
    const failed = status === undefined ? errorType(error) : status >= 400 ? String(status) : undefined
    record({
      name,
      kind: SpanKind.CLIENT,
      trace,
      startedAtMs,
      endedAtMs,
      attributes: {
        'http.request.method': name,
        'url.full': `${url.origin}${url.pathname}`.slice(0, maxTextLength),
        'server.address': url.hostname,
        'server.port': Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
        ...(status !== undefined && { 'http.response.status_code': status }),
      },
      error: failed,
    })
  }
}
