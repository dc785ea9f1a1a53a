import { afterEach, describe, expect, test } from 'bun:test'
import { createEvents, memoryTransports } from '@kiln/shared'
import { currentWork, runAs, traceContextOf } from '@kiln/shared/context'
import { HealthChecked } from '@kiln/shared/contracts/system'
import { UserVerified } from '@kiln/shared/contracts/user'
import { requestContext } from '@kiln/shared/http'
import { createLogger, openTelemetry } from '@kiln/shared/observability'
import { eventually } from '@kiln/shared/testing'
import { trace } from '@opentelemetry/api'
import { Elysia } from 'elysia'
import { Registry } from 'prom-client'
import { type Behaviour, startCollector } from '../../support/collector.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function traced(env: Record<string, string> = {}, behaviour: Behaviour = 'takes') {
  const collector = await startCollector(behaviour)
  const lines: string[] = []
  const { logger } = createLogger({
    service: 'some-service',
    level: 'info',
    format: 'json',
    destination: { write: (line) => lines.push(line) },
  })
  const registry = new Registry()
  const telemetry = await openTelemetry(
    { ...collector.env, ...env },
    { serviceName: 'some-service', version: '1', slowQueryMs: 0, slowRequestMs: 0, logger, registry },
  )
  closing.push(collector.close, telemetry.close)
  const frame = { observers: telemetry.requests, sampler: telemetry.sampler }
  const get = (
    app: { handle: (request: Request) => Promise<Response> },
    headers: Record<string, string> = {},
  ) => app.handle(new Request('http://localhost/things/7?token=planted', { headers }))
  return { ...telemetry, collector, lines, registry, app: () => new Elysia().use(requestContext(frame)), get }
}

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
        seen.push(currentWork()?.trace()?.traceparent)
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
      trace: () => traceContextOf('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'vendor=value'),
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

describe('events', () => {
  const verified = (user_id: number) => ({ user_id, verified_by: 1, verified_at: '2026-01-01T00:00:00Z' })
  const quiet = () => {}
  const publishing = (observer: Awaited<ReturnType<typeof traced>>['events']) => {
    const transports = memoryTransports()
    const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
    const events = createEvents({ service: 'some-service', transports, logger, observer })
    closing.push(transports.close, () => events.close())
    return events
  }

  test('handled as a batch are linked to whoever published them, each in a trace of its own', async () => {
    const { events: observer, collector, close } = await traced()
    const events = publishing(observer)
    const sizes: number[] = []
    events.subscribeBatch(UserVerified, { name: 'profiles', from: 'beginning' }, (batch) => {
      sizes.push(batch.length)
    })
    for (const user of [1, 2, 3]) await events.publish(UserVerified, verified(user))

    await events.start()
    await eventually(() => expect(sizes).toEqual([3]))
    await close()

    const published = collector.spans.filter(({ kind }) => kind === 'PRODUCER')
    const [handled] = collector.spans.filter(({ kind }) => kind === 'CONSUMER')
    expect(new Set(published.map(({ traceId }) => traceId)).size).toBe(3)
    expect(handled).toMatchObject({
      name: 'process user.verified',
      parentSpanId: '',
      attributes: { 'messaging.batch.message_count': 3, 'messaging.consumer.group.name': 'profiles' },
      links: published.map(({ traceId, spanId }) => ({ traceId, spanId })),
    })
  })

  test('carry baggage into their handler', async () => {
    const { events: observer } = await traced()
    const events = publishing(observer)
    const seen: unknown[] = []
    events.subscribe(UserVerified, { name: 'profiles', from: 'beginning' }, () => {
      seen.push(currentWork()?.baggage?.())
    })
    await events.start()

    await runAs({ correlationId: 'abc', trace: () => undefined, baggage: () => 'tenant=7' }, () =>
      events.publish(UserVerified, verified(1)),
    )

    await eventually(() => expect(seen).toEqual(['tenant=7']))
  })

  test('whose handler fails leave a span that says so', async () => {
    const { events: observer, collector } = await traced()
    const events = publishing(observer)
    events.subscribe(UserVerified, { name: 'profiles', from: 'beginning', attempts: 1 }, () => {
      throw new TypeError('planted')
    })
    await events.start()

    await events.publish(UserVerified, verified(1))

    const [handled] = await eventually(() => {
      const found = collector.spans.filter(({ kind }) => kind === 'CONSUMER')
      expect(found).toHaveLength(1)
      return found
    })
    expect(handled).toMatchObject({ status: 'ERROR', attributes: { 'error.type': 'TypeError' } })
  })

  test('that are broadcast are handled within the trace of whoever sent them', async () => {
    const { events: observer, collector } = await traced()
    const events = publishing(observer)
    events.listen(HealthChecked, () => {})
    await events.start()

    const checked_at = '2026-01-01T00:00:00Z'
    await events.publish(HealthChecked, { service: 's', instance: 'i', status: 'healthy', checked_at })

    await eventually(() => expect(collector.spans).toHaveLength(2))
    const [sent, heard] = [...collector.spans].sort((a, b) => b.kind.localeCompare(a.kind))
    expect(heard).toMatchObject({ kind: 'CONSUMER', parentSpanId: sent?.spanId })
  })

  test('that a relay sends leave a span below whoever published them', async () => {
    const { relaying, collector, close } = await traced()
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const event = {
      id: '1',
      source: 's',
      type: 'user.verified',
      time: '',
      data: '{}',
      dataversion: 1,
      traceparent,
    }

    await relaying([event, { ...event, id: '2', traceparent: undefined }], async () => {})
    await close()

    expect(collector.spans).toMatchObject([{ name: 'relay user.verified', parentSpanId: '00f067aa0ba902b7' }])
  })
})

describe('a collector', () => {
  const dropped = async (registry: Registry) =>
    [...(await registry.metrics()).matchAll(/span_exported_total\{error_type="(\w*)"\} (\d+)/g)].map(
      ([, type, count]) => [type, Number(count)],
    )

  test('that refuses spans is told of once, and they are counted', async () => {
    const { app, get, lines, registry, collector } = await traced({ OTEL_BSP_SCHEDULE_DELAY: '1' }, 'refuses')
    const served = app().get('/things/:id', 'done')

    for (const count of [1, 2, 3]) {
      await get(served)
      await eventually(() => expect(collector.state.requests).toBeGreaterThanOrEqual(count))
    }

    await eventually(async () =>
      expect(await dropped(registry)).toEqual([
        ['', 0],
        ['queue_full', 0],
        ['rejected', 3],
      ]),
    )
    expect(lines.filter((line) => line.includes('dropped'))).toHaveLength(1)
  })

  test('that does not answer holds up no request; what does not fit the queue is counted', async () => {
    const env = { OTEL_BSP_MAX_QUEUE_SIZE: '10', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '5' }
    const { app, get, lines, registry, collector } = await traced(env, 'hangs')
    const served = app().get('/things/:id', 'done')

    for (let count = 0; count < 5; count++) await get(served)
    await eventually(() => expect(collector.state.requests).toBe(1))
    const answers = await Promise.all(Array.from({ length: 30 }, () => get(served)))

    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(await dropped(registry)).toEqual([
      ['', 0],
      ['queue_full', 20],
      ['rejected', 0],
    ])
    expect(lines.filter((line) => line.includes('dropped'))).toHaveLength(1)
  })

  test('that comes back takes spans again', async () => {
    const { app, get, lines, collector } = await traced({ OTEL_BSP_SCHEDULE_DELAY: '1' }, 'refuses')
    const served = app().get('/things/:id', 'done')
    await get(served)
    await eventually(() => expect(lines.join('')).toContain('dropped'))

    collector.state.behaviour = 'takes'
    await get(served)

    await eventually(() => expect(lines.join('')).toContain('takes spans again'))
    expect(collector.spans).toHaveLength(1)
  })
})
