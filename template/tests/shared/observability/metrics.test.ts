import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { traceContextOf } from '@kiln/shared/context'
import { createMetrics, exposeMetrics } from '@kiln/shared/observability'
import { Histogram, Registry } from 'prom-client'
import { DurationHistogram } from '../../../../shared/observability/duration-histogram.ts'
import { createTestService, type TestService } from '../../../../tests/support/service.ts'

describe('the duration histogram', () => {
  test.each([[undefined], [[0.1, 0.5, 1]]])(
    'shows what prom-client’s own shows, with the bounds %p',
    async (buckets) => {
      const [ours, theirs] = [new Registry(), new Registry()]
      const options = {
        name: 'some_seconds',
        help: 'Some durations',
        labelNames: ['method', 'status'] as const,
      }
      const bounds = buckets ?? [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
      const fast = new DurationHistogram({ ...options, ...(buckets && { buckets }), registers: [ours] })
      const plain = new Histogram({ ...options, buckets: bounds, registers: [theirs] })

      for (const seconds of [0, 0.001, 0.005, 0.0051, 0.1, 0.3, 1, 1.5, 10, 10.5, 3600]) {
        for (const [method, status] of [
          ['GET', 200],
          ['POST', 201],
          ['GET', 404],
          ['say "hi"\n\\', 0],
        ] as const) {
          fast.record(seconds, [method, status])
          plain.observe({ method, status }, seconds)
        }
      }

      expect(await ours.metrics()).toBe(await theirs.metrics())
    },
  )

  test('keeps apart labels that read the same when they are joined', async () => {
    const registry = new Registry()
    const options = {
      name: 'some_seconds',
      help: 'Some',
      labelNames: ['a', 'b'] as const,
      registers: [registry],
    }
    const histogram = new DurationHistogram(options)

    histogram.record(1, ['x', 'y z'])
    histogram.record(1, ['x y', 'z'])

    expect((await registry.metrics()).match(/_count\{/g)).toHaveLength(2)
  })
})

describe('OpenMetrics', () => {
  const scrape = async (accept?: string) => {
    const { registry, observeRequest, close } = createMetrics({ service: 'some-service', version: '1' })
    const trace = traceContextOf('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')
    const context = {
      correlationId: 'x',
      address: () => undefined,
      route: '/things',
      principal: undefined,
      answerHeaders: {},
      request: { method: 'GET' } as Request,
    }
    observeRequest({ ...context, trace }, 200, 30)
    observeRequest({ ...context, trace: undefined }, 200, 300)
    close()
    const shown = await exposeMetrics(registry, accept ?? null)
    return { ...shown, again: (await exposeMetrics(registry, null)).text }
  }

  test('has the trace of a request as the exemplar of its bucket, and of no other', async () => {
    const { contentType, text } = await scrape('application/openmetrics-text;version=1.0.0,text/plain;q=0.5')

    const exemplars = text.split('\n').filter((line) => line.includes(' # {'))
    expect(contentType).toStartWith('application/openmetrics-text; version=1.0.0')
    expect(exemplars).toEqual([
      expect.stringMatching(
        /_bucket\{le="0.05",.*\} 1 # \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736",span_id="00f067aa0ba902b7"\} 0.03 [\d.]+$/,
      ),
    ])
    expect(text).toEndWith('\n# EOF\n')
  })

  test('names the family of a counter without _total; the text format stays as it was', async () => {
    const { text, again } = await scrape('application/openmetrics-text')

    expect(text).toContain('# TYPE process_cpu_seconds counter')
    expect(text).toMatch(/^process_cpu_seconds_total [\d.]+$/m)
    expect(again).toContain('# TYPE process_cpu_seconds_total counter')
    expect(again).toMatch(/^process_cpu_seconds_total [\d.]+$/m)
    expect(again).not.toContain(' # {')
  })

  test('is not given to who did not ask', async () => {
    const { contentType, text } = await scrape('text/plain')

    expect(contentType).toStartWith('text/plain')
    expect(text).not.toContain('# EOF')
  })
})

test('a method that nobody knows makes no series of its own', async () => {
  const { registry, observeRequest, close } = createMetrics({ service: 'some-service', version: '1' })
  const context = {
    correlationId: 'x',
    address: () => undefined,
    trace: undefined,
    route: undefined,
    principal: undefined,
    answerHeaders: {},
  }

  for (const method of ['BREW', 'PROPFIND', 'GET']) {
    observeRequest({ ...context, request: { method } as Request }, 200, 5)
  }
  close()

  const text = await registry.metrics()
  expect(text).toContain(
    'http_server_request_duration_seconds_count{http_request_method="_OTHER",http_route="",http_response_status_code="200"} 2',
  )
  expect(text).not.toContain('BREW')
})

describe('GET /metrics', () => {
  let service: TestService
  beforeAll(async () => {
    service = await createTestService()
  })
  afterAll(() => service.close())

  test('counts requests by method, route and status, and shows process, pool and build', async () => {
    await service.call('GET', '/api/my-endpoint')
    await service.call('GET', '/api/users/4711')
    await service.call('GET', '/unknown/4711')

    const { status, headers, body } = await service.call<string>('GET', '/metrics')

    expect(status).toBe(200)
    expect(headers.get('content-type')).toStartWith('text/plain')
    const name = 'http_server_request_duration_seconds_count'
    const labels = (route: string, code: number) =>
      `{http_request_method="GET",http_route="${route}",http_response_status_code="${code}"} 1`
    expect(body).toContain(`${name}${labels('/api/my-endpoint', 200)}`)
    expect(body).toContain(`${name}${labels('/api/users/:id', 401)}`)
    expect(body).toContain(`${name}${labels('', 404)}`)
    expect(body).not.toContain('4711')
    for (const series of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'process_event_loop_delay_seconds{quantile="0.99"}',
      'db_client_connection_count{state="idle"}',
      'db_client_connection_max 10',
      'db_client_connection_pending_requests',
      'build_info{service="example-service",version="test"} 1',
    ]) {
      expect(body).toContain(series)
    }
  })
})
