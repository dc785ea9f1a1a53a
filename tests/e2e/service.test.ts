import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { freePort } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { createTestDatabase } from '../support/database.ts'
import { type RunningService, runProgram, spawnProgram, startService } from '../support/process.ts'
import { testEnvironment } from '../support/service.ts'

setDefaultTimeout(30_000)

interface Tokens {
  readonly access_token: string
}

describe('the running service', () => {
  const password = 'correct horse battery'
  let service: RunningService
  let token: string

  beforeAll(async () => {
    service = await startService()
    const args = ['users', 'create', '--email', 'admin@example.com', '--role', 'admin', '--password-stdin']
    await service.command(args, { input: password })
    const login = await post('/api/auth/login', { email: 'admin@example.com', password })
    token = ((await login.json()) as Tokens).access_token
  })
  afterAll(() => service.close())

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } })
  const post = (path: string, body: unknown) =>
    fetch(`${service.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })

  test('a user is created, read, and found in the audit trail', async () => {
    const created = await post('/api/users', { first_name: 'Ann', role: 'executor' })
    const user = (await created.json()) as { id: number }
    const read = await get(`/api/users/${user.id}`)
    const audit = await get(`/api/audit?entity=user&entity_id=${user.id}`)

    expect(created.status).toBe(201)
    expect(created.headers.get('location')).toBe(`/api/users/${user.id}`)
    expect(await read.json()).toEqual(user)
    expect(await audit.json()).toMatchObject({
      items: [{ action: 'user.created', actor_type: 'user', address: '127.0.0.1' }],
    })
  })

  test('it is ready, alive, healthy and measured', async () => {
    const [ready, live, health, metrics] = await Promise.all(
      ['/ready', '/live', '/health', '/metrics'].map((path) => get(path)),
    )

    expect([ready?.status, live?.status, health?.status, metrics?.status]).toEqual([200, 200, 200, 200])
    expect(await health?.json()).toMatchObject({ status: 'up', database: { status: 'up' } })
    expect(await metrics?.text()).toContain('http_server_request_duration_seconds_bucket')
  })

  test('a request leaves one log line with its correlation id, route, status, duration and user', async () => {
    const correlationId = crypto.randomUUID()

    await get('/api/auth/me', { 'x-correlation-id': correlationId })

    const lines = await eventually(() => {
      const found = service.output.stdout.split('\n').filter((line) => line.includes(correlationId))
      if (found.length === 0) throw new Error('not yet written')
      return found
    })
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      msg: 'request',
      correlation_id: correlationId,
      method: 'GET',
      route: '/api/auth/me',
      status: 200,
      duration_ms: expect.any(Number),
      user_id: 1,
    })
  })

  test('the health check finds it', async () => {
    const outcome = await service.command(['healthcheck'])

    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('a second service on the same port says that it is taken', async () => {
    const second = await service.command(['serve'])

    expect(second.exitCode).toBe(1)
    expect(second.stdout).toContain('EADDRINUSE')
  })
})

describe('starting', () => {
  test('without a database it ends with exit code 1 and the reason', async () => {
    const outcome = await runProgram(['serve'], {
      env: testEnvironment({ SERVICE_REDIS_URL: 'memory://', SERVICE_SINGLE_REPLICA: 'true' }),
    })

    expect(outcome.exitCode).toBe(1)
    expect(outcome.stdout).toContain('DATABASE_UNAVAILABLE')
  })

  test('operations can have a port and an address of their own', async () => {
    const service = await startService({
      SERVICE_OPERATIONS_PORT: String(await freePort()),
      SERVICE_OPERATIONS_HOST: '127.0.0.2',
    })
    const port = service.env.SERVICE_OPERATIONS_PORT
    const paths = ['/metrics', '/health', '/live', '/ready']
    const statuses = (base: string) =>
      Promise.all(paths.map(async (path) => (await fetch(`${base}${path}`)).status))

    const [there, notHere, healthcheck] = await Promise.all([
      statuses(`http://127.0.0.2:${port}`),
      statuses(service.url),
      service.command(['healthcheck']),
    ])
    const elsewhere = await fetch(`http://127.0.0.1:${port}/live`).catch(() => 'refused')
    await service.close()

    expect(there).toEqual([200, 200, 200, 200])
    expect(notHere).toEqual([404, 404, 404, 404])
    expect(elsewhere).toBe('refused')
    expect(healthcheck.exitCode).toBe(0)
  })
})

describe('development mode', () => {
  const email = 'planted-name@example.com'
  const logIn = (url: string) =>
    fetch(`${url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password: 'planted-password-1' }),
    })

  test('logs SQL without its parameters, and answers as production does', async () => {
    const debug = await startService({ SERVICE_DEBUG: 'true', SERVICE_LOG_FORMAT: 'json' })
    // A busy machine makes slow queries, which production logs.
    const production = await startService({ SERVICE_SLOW_QUERY_MS: '0' })

    const [inDebug, inProduction] = await Promise.all([logIn(debug.url), logIn(production.url)])
    const { output } = debug
    await eventually(() => expect(output.stdout).toContain('"sql":"select'))

    const { correlation_id: _, ...answer } = (await inDebug.json()) as Record<string, unknown>
    expect(await inProduction.json()).toMatchObject(answer)
    expect(inDebug.status).toBe(inProduction.status)
    expect(output.stdout).not.toContain('planted')
    expect(production.output.stdout).not.toContain('"sql"')
    await Promise.all([debug.close(), production.close()])
  })

  test('its lines are for people', async () => {
    const { SERVICE_DATABASE_URL: _, ...noServers } = testEnvironment({
      SERVICE_DEBUG: 'true',
      SERVICE_REDIS_URL: 'memory://',
    })

    const outcome = await runProgram(['serve'], {
      env: { ...noServers, SERVICE_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' },
    })

    expect(outcome.stdout).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\].*FATAL.*: cannot start/m)
  })
})

describe('three replicas on one empty database', () => {
  test('all migrate and serve; each migration is applied once', async () => {
    const database = await createTestDatabase()
    const env = testEnvironment({
      SERVICE_DATABASE_URL: database.url,
      SERVICE_REDIS_URL: 'memory://',
      SERVICE_SINGLE_REPLICA: 'true',
      SERVICE_PORT: '0',
    })

    const replicas = [0, 1, 2].map(() => spawnProgram(['serve', '--migrate'], { env }))
    await eventually(() => {
      if (!replicas.every(({ output }) => output.stdout.includes('"msg":"ready"')))
        throw new Error('not all ready')
    })
    for (const { child } of replicas) child.kill('SIGTERM')
    const outcomes = await Promise.all(replicas.map(({ ended }) => ended))
    await database.drop()

    expect(outcomes.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0])
    const applied = outcomes.flatMap(({ stdout }) =>
      [...stdout.matchAll(/"migration":"([^"]+)"/g)].map(([, name]) => name),
    )
    expect(applied).toContain('0001-users')
    expect(applied).toEqual([...new Set(applied)])
  })
})
