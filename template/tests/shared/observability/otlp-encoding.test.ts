import { describe, expect, test } from 'bun:test'
import { traceContextOf } from '@kiln/shared/context'
import { type Attributes, SpanKind, TraceFlags } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import {
  createSpanEncoder,
  type EncodedSpan,
} from '../../../../shared/observability/tracing/otlp-encoding.ts'
import { spanContextOf } from '../../../../shared/observability/tracing/recorder.ts'
import { enterTrace, TraceContext } from '../../../../shared/trace-context.ts'
import { decodeSpans } from '../../support/otlp.ts'

const resource = { 'service.name': 'some-service', 'service.version': '1' }
const encoder = createSpanEncoder(resource, '@kiln/shared')

function encode(spans: readonly EncodedSpan[]): Uint8Array {
  for (const span of spans) encoder.add(span)
  return encoder.take()
}

/** What OpenTelemetry's own serializer makes of the same span. */
function theirs(spans: readonly EncodedSpan[]): Uint8Array {
  const about = resourceFromAttributes(resource)
  const scope = { name: '@kiln/shared' }
  const time = (ms: number): [number, number] => {
    const whole = Math.floor(ms)
    const nanos = (whole % 1000) * 1e6 + Math.round((ms - whole) * 1e6)
    return [Math.floor(whole / 1000), nanos]
  }
  const readable = spans.map(({ trace, startedAt, endedAt, error, links = [], ...span }): ReadableSpan => {
    const { traceId, parentSpanId } = trace
    return {
      ...span,
      attributes: { ...span.attributes, ...(error !== undefined && { 'error.type': error }) },
      spanContext: () => spanContextOf(trace),
      ...(parentSpanId && {
        parentSpanContext: { traceId, spanId: parentSpanId, traceFlags: TraceFlags.SAMPLED },
      }),
      startTime: time(startedAt),
      endTime: time(endedAt),
      duration: [0, 0],
      status: { code: error === undefined ? 0 : 2 },
      links: links.map((link) => ({ context: spanContextOf(link) })),
      events: [],
      ended: true,
      resource: about,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    }
  })
  return ProtobufTraceSerializer.serializeRequest(readable) ?? new Uint8Array()
}

/** Numbers from 0 to 1, the same in each run. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state / 0x7fffffff
  }
}

function someSpan(next: () => number): EncodedSpan {
  const pick = <Value>(...values: readonly Value[]) => values[Math.floor(next() * values.length)] as Value
  const root = enterTrace(undefined, () => true)
  const trace = pick(
    root,
    root.child(),
    new TraceContext(root.traceId, root.spanId, true, undefined, 'vendor=wert'),
  )
  const attributes: Attributes = {}
  for (let count = Math.floor(next() * 12); count > 0; count -= 1) {
    const long = 'läng🚀'.repeat(Math.floor(next() * 400))
    attributes[`key.${Math.floor(next() * 50)}`] = pick<Attributes[string]>(
      ...['', 'text', long, 0, 1, 127, 128, 2 ** 40, -1, 0.25, -1e300, true, false],
      ['a', 'b'],
    )
  }
  const startedAt = 1_795_394_573_380 + next() * 1e9
  return {
    name: pick('GET', 'name with ünïcode', 'n'.repeat(500)),
    kind: pick(
      ...[SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER],
    ),
    trace,
    startedAt,
    endedAt: startedAt + next() * pick(1, 1000, 1e7),
    attributes,
    ...(next() > 0.7 && { error: pick('500', 'TypeError') }),
    ...(next() > 0.7 && { links: [root.child(), enterTrace(undefined, undefined)] }),
  }
}

describe('spans that are encoded here', () => {
  test('say what those of OpenTelemetry’s own serializer say', () => {
    const next = chance(4711)

    for (const size of [0, 1, 2, 512, 700]) {
      const spans = Array.from({ length: size }, () => someSpan(next))
      const [ours, expected] = [decodeSpans(encode(spans)), decodeSpans(theirs(spans))]
      expect(ours).toEqual(expected)
      expect(ours).toHaveLength(size)
    }
  })

  test('keep their time to the microsecond', () => {
    const trace = traceContextOf('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01') as TraceContext
    const span = { name: 'x', kind: SpanKind.CLIENT, trace, attributes: {} }

    const [decoded] = decodeSpans(
      encode([{ ...span, startedAt: 1_795_394_573_388.125, endedAt: 4_294_967_296_000 }]),
    )

    expect(decoded?.startNs).toBe(1_795_394_573_388_125_000n)
    expect(decoded?.endNs).toBe(4_294_967_296_000_000_000n)
  })
})
