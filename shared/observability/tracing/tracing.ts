import { Buffer } from 'node:buffer'
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from '@opentelemetry/otlp-exporter-base/node-http'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, type ReadableSpan, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { RequestObserver } from '../../http/request-context.ts'
import type { QueryObserver } from '../../postgres/query-observer.ts'
import type { RedisObserver } from '../../redis-commands.ts'
import type { Sampler } from '../../trace-context.ts'
import type { EventSpans } from '../event-context.ts'
import type { TelemetryOptions } from '../telemetry.ts'
import { commandSpans, fetchSpans, querySpans } from './client-spans.ts'
import { eventSpans, relaySpans } from './event-spans.ts'
import { asOtelSampler, HandedIds, installOtelApi } from './otel-api.ts'
import { createSpanEncoder, type EncodedSpan } from './otlp-encoding.ts'
import { epochMs, type RecordSpan } from './recorder.ts'
import { requestSpans } from './request-spans.ts'
import { createSampler } from './sampler.ts'
import type { TracingSettings } from './settings.ts'
import { type SendSpans, type SpanCounts, SpanQueue } from './span-queue.ts'

/** What is told for its spans. */
export interface Tracing {
  readonly sampler: Sampler
  readonly request: RequestObserver
  readonly query: QueryObserver
  readonly command: RedisObserver['command']
  readonly events: EventSpans
  readonly fetched: ReturnType<typeof fetchSpans>
  readonly relaying: ReturnType<typeof relaySpans>
  readonly counts: Readonly<SpanCounts>
  readonly close: () => Promise<void>
}

/** A collector that is away must not cost more of the time to stop. */
const flushTimeoutMs = 3000

type OpenSettings = TracingSettings & { readonly endpoint: string }

/** Records spans and sends them with OTLP over HTTP; takes over OpenTelemetry's API until it is closed. */
export function openTracing(
  { endpoint, headers, timeoutMs, sampler: chosen, batch, serviceName, resource: more }: OpenSettings,
  { serviceName: name, version, logger }: Pick<TelemetryOptions, 'serviceName' | 'version' | 'logger'>,
): Tracing {
  const sampler = createSampler(chosen)
  const resource = resourceFromAttributes({
    'service.version': version,
    'service.instance.id': crypto.randomUUID(),
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.name': 'opentelemetry',
    ...more,
    'service.name': serviceName ?? more['service.name'] ?? name,
  })
  const send = otlpSender(
    { endpoint, headers, timeoutMs },
    createSpanEncoder(resource.attributes, '@kiln/shared'),
  )
  const queue = new SpanQueue({ ...batch, send, logger })
  const ids = new HandedIds()
  const provider = new BasicTracerProvider({
    sampler: asOtelSampler(sampler),
    resource,
    idGenerator: ids,
    spanProcessors: [processorInto(queue)],
  })
  const record: RecordSpan = ({ startedAtMs, endedAtMs, name, kind, trace, attributes, error, links }) => {
    const [startedAt, endedAt] = [epochMs(startedAtMs), epochMs(endedAtMs)]
    queue.add({ name, kind, trace, startedAt, endedAt, attributes, error, links })
  }
  const { end, uninstall } = installOtelApi(provider, ids, record)
  return {
    sampler,
    request: requestSpans(end),
    query: querySpans(record),
    command: commandSpans(record),
    events: eventSpans(record, end),
    fetched: fetchSpans(record),
    relaying: relaySpans(record),
    counts: queue.counts,
    async close() {
      uninstall()
      await queue.close(flushTimeoutMs)
    },
  }
}

/** A span of ours, or one that the service's author began through OpenTelemetry's API. */
type Span = EncodedSpan | ReadableSpan

function processorInto(queue: SpanQueue<Span>): SpanProcessor {
  return {
    onStart() {},
    onEnd: (span) => queue.add(span),
    forceFlush: () => queue.flush(),
    shutdown: async () => {},
  }
}

/** OpenTelemetry's transport, with its retries and headers; what it sends is ours and its own, one after the other. */
function otlpSender(
  {
    endpoint: url,
    headers,
    timeoutMs: timeoutMillis,
  }: Pick<OpenSettings, 'endpoint' | 'headers' | 'timeoutMs'>,
  encode: (spans: readonly EncodedSpan[]) => Uint8Array,
): SendSpans<Span> {
  const serializer = {
    serializeRequest(batch: readonly Span[]) {
      const theirs = batch.filter((span) => 'spanContext' in span)
      const ours = encode(batch.filter((span) => 'trace' in span))
      if (theirs.length === 0) return ours
      // Two protobuf messages in a row are one message with the parts of both.
      return Buffer.concat([ours, ProtobufTraceSerializer.serializeRequest(theirs) ?? new Uint8Array()])
    },
    deserializeResponse: ProtobufTraceSerializer.deserializeResponse,
  }
  const counting = { name: 'span' as const, countItems: (batch: readonly Span[]) => batch.length }
  const options = convertLegacyHttpOptions({ url, headers, timeoutMillis }, 'TRACES', 'v1/traces', {
    'Content-Type': 'application/x-protobuf',
  })
  const transport = createOtlpHttpExportDelegate(
    options,
    serializer,
    'otlp_http_span_exporter',
    counting,
    undefined,
  )
  return (batch, done) => transport.export(batch, done)
}
