import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import type { RequestObserver } from '../../http/request-context.ts'
import type { QueryObserver } from '../../postgres/query-observer.ts'
import type { RedisObserver } from '../../redis-commands.ts'
import type { Sampler } from '../../trace-context.ts'
import type { EventSpans } from '../event-context.ts'
import type { TelemetryOptions } from '../telemetry.ts'
import { commandSpans, querySpans } from './client-spans.ts'
import { eventSpans, relaySpans } from './event-spans.ts'
import { asOtelSampler, HandedIds, installOtelApi } from './otel-api.ts'
import { spanRecorder } from './recorder.ts'
import { requestSpans } from './request-spans.ts'
import { createSampler } from './sampler.ts'
import type { TracingSettings } from './settings.ts'
import { type SpanCounts, SpanQueue } from './span-queue.ts'

/** What is told for its spans. */
export interface Tracing {
  readonly sampler: Sampler
  readonly request: RequestObserver
  readonly query: QueryObserver
  readonly command: RedisObserver['command']
  readonly events: EventSpans
  readonly relaying: ReturnType<typeof relaySpans>
  readonly counts: Readonly<SpanCounts>
  readonly close: () => Promise<void>
}

/** A collector that is away must not cost more of the time to stop. */
const flushTimeoutMs = 3000

/** Records spans and sends them with OTLP over HTTP; takes over OpenTelemetry's API until it is closed. */
export function openTracing(
  {
    endpoint,
    headers,
    timeoutMs,
    sampler: chosen,
    batch,
    serviceName,
    resource: more,
  }: TracingSettings & { readonly endpoint: string },
  { serviceName: name, version, logger }: Pick<TelemetryOptions, 'serviceName' | 'version' | 'logger'>,
): Tracing {
  const exporter = new OTLPTraceExporter({ url: endpoint, headers, timeoutMillis: timeoutMs })
  const queue = new SpanQueue({ ...batch, exporter, logger })
  const sampler = createSampler(chosen)
  const resource = resourceFromAttributes({
    'service.version': version,
    'service.instance.id': crypto.randomUUID(),
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.name': 'opentelemetry',
    ...more,
    'service.name': serviceName ?? more['service.name'] ?? name,
  })
  const ids = new HandedIds()
  const provider = new BasicTracerProvider({
    sampler: asOtelSampler(sampler),
    resource,
    idGenerator: ids,
    spanProcessors: [queue],
  })
  const record = spanRecorder(resource, (span) => queue.onEnd(span))
  const { end, uninstall } = installOtelApi(provider, ids, record)
  return {
    sampler,
    request: requestSpans(end),
    query: querySpans(record),
    command: commandSpans(record),
    events: eventSpans(record, end),
    relaying: relaySpans(record),
    counts: queue.counts,
    async close() {
      uninstall()
      await queue.close(flushTimeoutMs)
    },
  }
}
