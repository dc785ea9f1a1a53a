import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { resolve } from 'node:path'
import { freePort } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import {
  logInAdmin,
  type RunningService,
  runtime,
  spawnProgram,
  startService,
  underTest,
} from '../support/process.ts'
import { testEnvironment } from '../support/service.ts'

setDefaultTimeout(30_000)

const edge = resolve(import.meta.dirname, '../../src/edge.ts')

/** A host as they serve `{ fetch }`: `deno serve`, or `bun`, which the binary leaves the edge to. */
async function startHost(env: Record<string, string>) {
  const port = await freePort()
  const deno = [underTest[0] ?? '', 'serve', '--allow-all', '--host=127.0.0.1', `--port=${port}`, edge]
  const [file = '', ...args] = runtime === 'deno' ? deno : [process.execPath, edge]
  const { child, output } = spawnProgram(args, {
    program: file,
    env: { PORT: String(port), HOST: '127.0.0.1', ...env },
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => expect((await fetch(`${url}/live`)).status).toBe(200))
  return { url, output, close: () => child.kill('SIGKILL') }
}

describe('the edge, beside a service that consumes and relays', () => {
  let service: RunningService
  let host: Awaited<ReturnType<typeof startHost>>
  let token: string
  beforeAll(async () => {
    service = await startService()
    token = await logInAdmin(service)
    host = await startHost(service.env)
  })
  afterAll(async () => {
    host.close()
    await service.close()
  })

  const call = (method: string, path: string, body?: unknown) =>
    fetch(`${host.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })

  test('serves requests, takes the tokens of the service, and is healthy', async () => {
    const statuses = await Promise.all(
      ['/live', '/ready', '/health', '/docs', '/docs/json', '/api/auth/me', '/api/users'].map(
        async (path) => (await call('GET', path)).status,
      ),
    )

    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200])
    expect((await fetch(`${host.url}/api/users`)).status).toBe(401)
  })

  test('its events go through the outbox, and the relay of the service sends them', async () => {
    const created = await call('POST', '/api/users', { first_name: 'Edgar' })
    const { id } = (await created.json()) as { id: number }
    const audit = await call('GET', `/api/audit?entity=user&entity_id=${id}`)

    expect(created.status).toBe(201)
    expect(await audit.json()).toMatchObject({ items: [{ action: 'user.created', address: '127.0.0.1' }] })
    await eventually(async () => {
      const health = await (await fetch(`${service.url}/health`)).json()
      expect(health).toMatchObject({ outbox: { depth: 0 } })
    })
    const sent = await fetch(`${service.url}/metrics`)
    expect(await sent.text()).toMatch(/outbox_[a-z_]*sent[a-z_]*(\{[^}]*\})? [1-9]/)
  })

  test('what asks for a process that lives on is not there', async () => {
    const paths = ['/api/events/live', '/api/events/subscriptions', '/api/operations/log-level', '/metrics']

    const statuses = await Promise.all(paths.map(async (path) => (await call('GET', path)).status))

    expect(statuses).toEqual([404, 404, 404, 404])
  })

  test('each request leaves its line at once', async () => {
    const correlationId = crypto.randomUUID()

    await fetch(`${host.url}/live`, { headers: { 'x-correlation-id': correlationId } })

    await eventually(() => expect(host.output.stdout).toContain(correlationId))
  })
})

test('without a database, the edge serves what needs none', async () => {
  const { SERVICE_DATABASE_URL: _, ...env } = testEnvironment()
  const host = await startHost(env)

  const [ready, docs, login] = await Promise.all([
    fetch(`${host.url}/ready`),
    fetch(`${host.url}/docs/json`),
    fetch(`${host.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'a@example.com', password: 'correct horse battery' }),
    }),
  ])
  const refused = await login.json()
  host.close()

  expect([ready.status, docs.status, login.status]).toEqual([200, 200, 503])
  expect(refused).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
})

test('a wrong setting is told by name, not answered', async () => {
  const { default: unset } = await import(edge)

  expect(() => unset.fetch(new Request('http://localhost/live'))).toThrow('SERVICE_JWT_SECRET_KEY')
})
