import { afterEach, describe, expect, test } from 'bun:test'
import { currentWork, runAs, traceContextOf } from '@kiln/shared/context'
import { trace } from '@opentelemetry/api'
import { closeTraced, traced } from '../../support/traced.ts'

afterEach(closeTraced)

describe('a request', () => {
  test('that fails leaves a span that says so, without its query', async () => {
    const { app, get, collector, close } = await traced()

    await get(
      app().get('/things/:id', ({ status }) => status(503, 'away')),
      {},
    )
    await close()

    expect(collector.spans).toMatchObject([
      {
        name: 'GET /things/:id',
        kind: 'SERVER',
        parentSpanId: '',
        status: 'ERROR',
        attributes: { 'error.type': '503', 'url.path': '/things/7' },
      },
    ])
    expect(JSON.stringify(collector.spans[0]?.attributes)).not.toContain('planted')
  })

  test('at an unknown path leaves nothing of the path', async () => {
    const { app, get, collector, close } = await traced()

    await get(app())
    await close()

    expect(collector.spans).toMatchObject([{ name: 'GET', attributes: { 'http.response.status_code': 404 } }])
    expect(collector.spans[0]?.attributes).not.toHaveProperty('url.path')
  })

  test.each([
    ['not sampled by its caller', { OTEL_TRACES_SAMPLER: 'parentbased_always_on' }, '00'],
    ['not sampled here', { OTEL_TRACES_SAMPLER: 'always_off' }, '01'],
  ])('%s leaves none, and hands its trace on', async (_, env, flags) => {
    const { app, get, collector, close } = await traced(env)
    const seen: unknown[] = []

    await get(
      app().get('/things/:id', () => {
        seen.push(currentWork()?.trace?.traceparent)
      }),
      { traceparent: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-${flags}` },
    )
    await close()

    expect(collector.spans).toEqual([])
    expect(seen).toEqual([expect.stringMatching(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[\da-f]{16}-00$/)])
  })
})

describe('OpenTelemetry’s own API', () => {
  test('finds the span of the request, and begins others within it', async () => {
    const { app, get, collector, close, fetch } = await traced()
    const handle = async () => {
      trace.getActiveSpan()?.setAttribute('things.count', 3)
      await trace.getTracer('mine').startActiveSpan('look', async (span) => {
        await fetch(`${collector.url}/elsewhere`)
        span.end()
      })
      return 'done'
    }

    await get(app().get('/things/:id', handle))
    await close()

    const [request] = collector.spans.filter(({ kind }) => kind === 'SERVER')
    const [look] = collector.spans.filter(({ name }) => name === 'look')
    const [asked] = collector.spans.filter(({ kind }) => kind === 'CLIENT')
    expect(request).toMatchObject({
      name: 'GET /things/:id',
      kind: 'SERVER',
      attributes: { 'things.count': 3, 'http.response.status_code': 200 },
    })
    expect(look?.parentSpanId).toBe(request?.spanId ?? '')
    expect(asked?.parentSpanId).toBe(look?.spanId ?? '')
  })

  test('outside of a request begins a trace', async () => {
    const { collector, close } = await traced()

    trace.getTracer('mine').startActiveSpan('alone', (span) => span.end())
    await close()

    expect(collector.spans).toMatchObject([{ name: 'alone', parentSpanId: '' }])
  })
})

describe('an outgoing request', () => {
  test('carries ids, trace and baggage, and leaves a span without its query', async () => {
    const { fetch, collector, close } = await traced()
    const work = {
      correlationId: 'abc',
      trace: traceContextOf('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'vendor=value'),
      baggage: () => 'tenant=7',
    }

    await runAs(work, () => fetch(`${collector.url}/elsewhere?token=planted`, { method: 'POST', body: 'x' }))
    await close()

    const [span] = collector.spans
    expect(collector.headers[0]).toMatchObject({
      traceparent: `00-4bf92f3577b34da6a3ce929d0e0e4736-${span?.spanId}-01`,
      tracestate: 'vendor=value',
      baggage: 'tenant=7',
      'x-correlation-id': 'abc',
    })
    expect(span).toMatchObject({
      name: 'POST',
      parentSpanId: '00f067aa0ba902b7',
      attributes: { 'url.full': `${collector.url}/elsewhere`, 'server.address': '127.0.0.1' },
    })
  })

  test('that is not answered is an error', async () => {
    const { fetch, collector, close } = await traced()

    await expect(fetch('http://127.0.0.1:1/')).rejects.toThrow()
    await close()

    expect(collector.spans).toMatchObject([{ status: 'ERROR', attributes: { 'server.port': 1 } }])
  })
})
