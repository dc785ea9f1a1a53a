import { type Attributes, SpanKind } from '@opentelemetry/api'
import type { RequestContext, RequestObserver } from '../../http/request-context.ts'
import type { TraceContext } from '../../trace-context.ts'
import { pathOf } from '../../url-path.ts'
import { methodName } from '../method-name.ts'
import type { EndedSpan, EndWork } from './recorder.ts'

const maxPathLength = 256

/** A server span for each sampled request. @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
export function requestSpans(end: EndWork): RequestObserver {
  return (context, status, durationMs) => {
    const trace = context.trace
    if (trace?.sampled) end(context, serverSpan(context, trace, status, durationMs))
  }
}

function serverSpan(
  { request, route }: RequestContext,
  trace: TraceContext,
  status: number,
  durationMs: number,
): EndedSpan {
  const method = methodName(request.method)
  const endedAtMs = performance.now()
  const attributes: Attributes = {
    'http.request.method': method,
    'http.response.status_code': status,
    'url.scheme': request.url.startsWith('https:') ? 'https' : 'http',
  }
  // The path of an unknown route is anybody's text.
  if (route !== undefined) {
    attributes['http.route'] = route
    attributes['url.path'] = pathOf(request.url).slice(0, maxPathLength)
  }
  return {
    name: route === undefined ? method : `${method} ${route}`,
    kind: SpanKind.SERVER,
    trace,
    startedAtMs: endedAtMs - durationMs,
    endedAtMs,
    attributes,
    error: status >= 500 ? String(status) : undefined,
  }
}
