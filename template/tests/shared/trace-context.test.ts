import { describe, expect, test } from 'bun:test'
import { ROOT_CONTEXT } from '@opentelemetry/api'
import { TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base'
import { createSampler } from '../../../shared/observability/tracing/sampler.ts'
import { boundedBaggage, enterTrace, newTraceId, traceContextOf } from '../../../shared/trace-context.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'

describe('a traceparent', () => {
  test.each([
    ['of today', `00-${traceId}-${spanId}-01`, true],
    ['not sampled', `00-${traceId}-${spanId}-02`, false],
    ['of a later version', `cc-${traceId}-${spanId}-01`, true],
    ['of a later version with more in it', `cc-${traceId}-${spanId}-01-what-the-future-will-be-like`, true],
  ])('%s is read', (_, traceparent, sampled) => {
    expect(traceContextOf(traceparent)).toMatchObject({ traceId, spanId, sampled })
  })

  test.each([
    ['with more in it than its version knows', `00-${traceId}-${spanId}-01-more`],
    ['of version ff', `ff-${traceId}-${spanId}-01`],
    ['with a trace id of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['with a span id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['in capitals', `00-${traceId.toUpperCase()}-${spanId}-01`],
    ['that is short', `00-${traceId.slice(1)}-${spanId}-01`],
    ['that is endless', `cc-${traceId}-${spanId}-01-${'x'.repeat(1000)}`],
    ['that is none', 'nonsense'],
  ])('%s is left out', (_, traceparent) => {
    expect(traceContextOf(traceparent)).toBeUndefined()
  })

  test('is handed on as it came where nothing is recorded', () => {
    const parent = traceContextOf(`00-${traceId}-${spanId}-01`, 'vendor=value')

    expect(enterTrace(parent, undefined)).toMatchObject({
      traceparent: `00-${traceId}-${spanId}-01`,
      tracestate: 'vendor=value',
    })
  })

  test('gets a span of its own where spans are recorded', () => {
    const entered = enterTrace(traceContextOf(`00-${traceId}-${spanId}-01`), () => true)

    expect(entered).toMatchObject({ traceId, parentSpanId: spanId, sampled: true })
    expect(entered.spanId).toMatch(/^(?!00f067aa0ba902b7)[\da-f]{16}$/)
  })

  test('that came without one begins a trace', () => {
    const [one, other] = [enterTrace(undefined, undefined), enterTrace(undefined, undefined)]

    expect(one.traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-00$/)
    expect(one.traceId).not.toBe(other.traceId)
  })
})

describe('what travels beside it is bounded', () => {
  test('a tracestate to whole members', () => {
    const members = Array.from({ length: 60 }, (_, at) => `vendor${at}=value`)

    const state = traceContextOf(`00-${traceId}-${spanId}-01`, members.join(','))?.tracestate ?? ''

    expect(state.length).toBeLessThanOrEqual(512)
    expect(members).toContain(state.split(',').at(-1) ?? '')
  })

  test.each([
    ['too long', 'x'.repeat(2049)],
    ['with a line break', 'a=b\r\nx-evil: 1'],
    ['empty', ''],
  ])('baggage that is %s is left out', (_, baggage) => {
    expect(boundedBaggage(baggage)).toBeUndefined()
  })

  test('baggage is carried as it is', () => {
    expect(boundedBaggage('tenant=7,region=eu;ttl=60')).toBe('tenant=7,region=eu;ttl=60')
  })
})

describe('sampling', () => {
  const settings = (name: Parameters<typeof createSampler>[0]['name'], ratio = 1) =>
    createSampler({ name, ratio })

  test.each([
    ['always_on', true, true, true],
    ['always_off', false, false, false],
    ['parentbased_always_on', true, true, false],
    ['parentbased_always_off', false, true, false],
  ] as const)('%s', (name, alone, below, belowUnsampled) => {
    const sampler = settings(name)

    expect([sampler(traceId, undefined), sampler(traceId, true), sampler(traceId, false)]).toEqual([
      alone,
      below,
      belowUnsampled,
    ])
  })

  test.each([0, 0.1, 0.5, 1])(
    'by ratio %d chooses the traces that OpenTelemetry chooses, at once and later',
    (ratio) => {
      const ours = settings('traceidratio', ratio)
      const theirs = new TraceIdRatioBasedSampler(ratio)

      const made = Array.from({ length: 2000 }, () => {
        const id = newTraceId()
        return { id, chosen: ours(id, undefined) }
      })

      const expected = made.map(({ id }) => theirs.shouldSample(ROOT_CONTEXT, id).decision === 2)
      expect(made.map(({ chosen }) => chosen)).toEqual(expected)
      expect(made.map(({ id }) => ours(id, undefined))).toEqual(expected)
    },
  )
})
