import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { eventually } from '@kiln/shared/testing'
import { createTestDatabase } from '../../../tests/support/database.ts'
import { type RunningService, runProgram, startService } from '../../../tests/support/process.ts'
import { hasRedis } from '../../../tests/support/redis.ts'
import { testEnvironment } from '../../../tests/support/service.ts'
import { startCollector } from '../support/collector.ts'
import type { ReceivedSpan } from '../support/otlp.ts'

setDefaultTimeout(60_000)

const password = 'correct horse battery'

async function startSecondService(first: RunningService, env: Record<string, string>) {
  const database = await createTestDatabase()
  const program = resolve(import.meta.dirname, '../support/profile-service.ts')
  const child = spawn(process.execPath, [program], {
    env: {
      ...env,
      PATH: process.env.PATH ?? '',
      DATABASE_URL: database.url,
      REDIS_URL: first.env.SERVICE_REDIS_URL ?? '',
      EVENTS_PREFIX: first.env.SERVICE_EVENTS_PREFIX ?? '',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const output = { stdout: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  await eventually(() => expect(output.stdout).toContain('"msg":"ready"'))
  return {
    output,
    async stop(): Promise<void> {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'close')
      await database.drop()
    },
  }
}

const linesOf = (output: { readonly stdout: string }) =>
  output.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe.skipIf(!hasRedis)('one POST to one of two services', () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const callerId = 'b7ad6b7169203331'
  let collector: Awaited<ReturnType<typeof startCollector>>
  let first: RunningService
  let second: Awaited<ReturnType<typeof startSecondService>>
  let spans: readonly ReceivedSpan[]
  let correlationId: string | null

  beforeAll(async () => {
    collector = await startCollector()
    first = await startService({
      ...collector.env,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    })
    const create = ['users', 'create', '--email', 'admin@example.com', '--role', 'admin', '--password-stdin']
    await first.command(create, { input: password })
    second = await startSecondService(first, collector.env)
    const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
      await fetch(first.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      })
    const login = await post('/api/auth/login', { email: 'admin@example.com', password })
    const { access_token: token } = (await login.json()) as { access_token: string }

    const answer = await post(
      '/api/users',
      { first_name: 'Ann' },
      {
        authorization: `Bearer ${token}`,
        traceparent: `00-${traceId}-${callerId}-01`,
        tracestate: 'vendor=value',
        baggage: 'tenant=7',
      },
    )

    correlationId = answer.headers.get('x-correlation-id')
    await eventually(() => {
      const names = collector.ofTrace(traceId).map(({ name }) => name)
      expect(names).toContain('publish notification.send')
      expect(names).toContain('process user.created')
    })
    await second.stop()
    first.signal('SIGTERM')
    await first.ended
    spans = collector.ofTrace(traceId)
  })
  afterAll(async () => {
    await second?.stop()
    await first?.close()
    await collector?.close()
  })

  const named = (name: string, service?: string) => {
    const found = spans.filter((span) => span.name === name && (service ?? span.service) === span.service)
    expect(found).toHaveLength(1)
    return found[0] as ReceivedSpan
  }
  const below = ({ spanId }: ReceivedSpan) => spans.filter((span) => span.parentSpanId === spanId)

  test('gives one trace with a server span, statements, publishing, consuming, and what that causes', () => {
    const server = named('POST /api/users', 'example-service')
    const publish = named('publish user.created', 'example-service')
    const process = named('process user.created', 'profile-service')
    const answer = named('publish notification.send', 'profile-service')

    expect(server).toMatchObject({ kind: 'SERVER', parentSpanId: callerId, status: 'UNSET' })
    expect(server.attributes).toEqual({
      'http.request.method': 'POST',
      'http.response.status_code': 201,
      'http.route': '/api/users',
      'url.path': '/api/users',
      'url.scheme': 'http',
    })
    const statements = below(server).filter(({ attributes }) => attributes['db.system.name'] === 'postgresql')
    expect(statements.map(({ name }) => name)).toEqual([
      'BEGIN',
      'INSERT users',
      'INSERT audit_log',
      'INSERT outbox',
      'COMMIT',
    ])
    expect(publish).toMatchObject({ kind: 'PRODUCER', parentSpanId: server.spanId })
    const relay = named('relay user.created', 'example-service')
    // The second service may begin before the relay has its answer.
    const caused = below(publish).map(({ name }) => name)
    expect(caused.toSorted()).toEqual(['process user.created', 'relay user.created'])
    expect(relay).toMatchObject({ kind: 'PRODUCER', parentSpanId: publish.spanId })
    expect(process).toMatchObject({ kind: 'CONSUMER', parentSpanId: publish.spanId })
    expect(below(process).map(({ name }) => name)).toEqual(['SELECT inbox', 'publish notification.send'])
    expect(below(answer).map(({ name }) => name)).toContain('EVALSHA append')
  })

  test('leaves no span without its parent, and none that ends after or begins before it', () => {
    const byId = new Map(spans.map((span) => [span.spanId, span]))

    for (const span of spans) {
      const parent = byId.get(span.parentSpanId)
      if (span.parentSpanId === callerId) continue
      expect(parent?.name).toBeDefined()
      if (parent === undefined || parent.service !== span.service) continue
      expect(span.startNs >= parent.startNs).toBe(true)
      // A relay comes after the commit, when the request may long be answered.
      if (!span.name.startsWith('relay ')) expect(span.endNs <= parent.endNs).toBe(true)
    }
    expect(byId.size).toBe(spans.length)
  })

  test('says of a statement its text, not its parameters; of a service who it is', () => {
    const insert = named('INSERT users')

    expect(insert.attributes).toMatchObject({
      'db.operation.name': 'INSERT',
      'db.query.text': expect.stringContaining('insert into "users"'),
    })
    expect(JSON.stringify(insert.attributes)).not.toContain('Ann')
    expect(insert.resource).toMatchObject({
      'service.name': 'example-service',
      'service.version': '1.0.0',
      'deployment.environment.name': 'test',
    })
    expect(insert.traceState).toBe('vendor=value')
  })

  test('is found in the logs of both by the same trace id and correlation id', () => {
    const [access] = linesOf(first.output).filter(({ route }) => route === '/api/users')
    const [made] = linesOf(second.output).filter(
      ({ msg, trace_id }) => msg === 'profile made' && trace_id === traceId,
    )

    expect(access).toMatchObject({
      msg: 'request',
      trace_id: traceId,
      span_id: named('POST /api/users').spanId,
      correlation_id: correlationId,
      user_id: 1,
    })
    expect(made).toMatchObject({
      trace_id: traceId,
      span_id: named('process user.created').spanId,
      correlation_id: correlationId,
      event_type: 'user.created',
    })
  })

  test('is counted by both', () => {
    expect(second.output.stdout).toContain(
      'messaging_client_consumed_messages_total{event_type="user.created",subscription="profiles",replay="false"} 2',
    )
    expect(second.output.stdout).toMatch(
      /db_client_operation_duration_seconds_count\{db_system_name="redis",db_operation_name="EVALSHA",error_type=""\} [1-9]/,
    )
  })
})

describe('a collector that never answers', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('keeps %s from nothing: the exit code is 0', async (signal) => {
    const collector = await startCollector('hangs')
    const service = await startService(collector.env)
    await fetch(`${service.url}/live`)
    await eventually(() => expect(collector.state.requests).toBeGreaterThan(0))

    service.signal(signal)
    const { exitCode, stdout } = await service.ended

    expect(exitCode).toBe(0)
    expect(stdout).toContain('"msg":"stopped"')
    await service.close()
    await collector.close()
  })
})

test('a wrong OTEL variable is named, and the exit code is 78', async () => {
  const env = testEnvironment({ OTEL_TRACES_SAMPLER: 'sometimes' })

  const { exitCode, stderr } = await runProgram(['serve'], { env })

  expect(exitCode).toBe(78)
  expect(stderr).toContain('OTEL_TRACES_SAMPLER  must be one of always_on')
})
