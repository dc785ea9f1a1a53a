import { Buffer } from 'node:buffer'
import type { Attributes } from '@opentelemetry/api'
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
import { createSpanEncoder, type EncodedSpan, type Message, type SpanEncoder } from './otlp-encoding.ts'
import { otlpSender } from './otlp-sender.ts'
import { epochMs, type RecordSpan } from './recorder.ts'
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
  { endpoint, headers, compression, sampler: chosen, batch, serviceName, resource: more }: OpenSettings,
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
  const queue = new SpanQueue({
    ...batch,
    encoder: encoderOf(resource.attributes),
    send: otlpSender({ endpoint, headers, compression }),
    logger,
  })
  const ids = new HandedIds()
  const provider = new BasicTracerProvider({
    sampler: asOtelSampler(sampler),
    resource,
    idGenerator: ids,
    spanProcessors: [processorInto(queue)],
  })
  const record: RecordSpan = ({ startedAtMs, endedAtMs, name, kind, trace, attributes, error, links }) => {
    const endedAt = epochMs(endedAtMs)
    const startedAt = endedAt - (endedAtMs - startedAtMs)
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

/** Ours are written as they end; the author's, of which there are few, with the batch, by OpenTelemetry's own serializer once it is needed. */
function encoderOf(resource: Attributes): SpanEncoder<Span> {
  const ours = createSpanEncoder(resource, '@kiln/shared')
  let theirs: ReadableSpan[] = []
  return {
    add(span) {
      if ('trace' in span) ours.add(span)
      else theirs.push(span)
    },
    take() {
      const message = ours.take()
      if (theirs.length === 0) return message
      const batch = theirs
      theirs = []
      return withTheirs(message, batch)
    },
  }
}

async function withTheirs(ours: Message, batch: ReadableSpan[]): Promise<Message> {
  const { ProtobufTraceSerializer } = await import('@opentelemetry/otlp-transformer')
  // Two protobuf messages in a row are one message with the parts of both.
  return Buffer.concat([ours, ProtobufTraceSerializer.serializeRequest(batch) ?? new Uint8Array()])
}
