import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { findRedisBinary, startRedis } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { type RunningService, startService } from '../../../tests/support/process.ts'

setDefaultTimeout(60_000)

const binary = findRedisBinary() ?? ''
const allowed = 40

describe.skipIf(!binary)('two replicas behind a proxy, on one Redis', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  let replicas: readonly RunningService[]
  beforeAll(async () => {
    redis = await startRedis({ server: { binary } })
    const settings = {
      SERVICE_REDIS_URL: redis.url,
      // Longer than any test waits.
      SERVICE_REDIS_TIMEOUT_MS: '120000',
      SERVICE_RATE_LIMIT_ENABLED: 'true',
      SERVICE_RATE_LIMIT_ADDRESS: String(allowed),
      SERVICE_TRUSTED_PROXIES: '127.0.0.0/8',
    }
    replicas = await Promise.all([startService(settings), startService(settings)])
  })
  afterAll(async () => {
    await Promise.all(replicas.map(({ close }) => close()))
    await redis.stop()
  })

  const at = (index: number) => replicas[index]?.url ?? ''
  const ask = (index: number, from: string, path = '/docs/json') =>
    fetch(`${at(index)}${path}`, { headers: { 'x-forwarded-for': from } })
  const logIn = (index: number, from: string) =>
    fetch(`${at(index)}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
      body: JSON.stringify({ email: 'nobody@example.com', password: 'a wrong password' }),
    })
  const statuses = async (count: number, call: () => Promise<Response>) => {
    const found: number[] = []
    for (let index = 0; index < count; index++) found.push((await call()).status)
    return found
  }

  test('refuse together what a client sends too much, and answer health all the same', async () => {
    const before = await statuses(allowed - 1, () => ask(0, '203.0.113.1'))
    await eventually(async () => expect((await ask(1, '203.0.113.1')).status).toBe(429))
    await eventually(async () => expect((await ask(0, '6.6.6.6, 203.0.113.1')).status).toBe(429))
    const refused = await ask(0, '203.0.113.1')
    const health = await ask(0, '203.0.113.1', '/health')
    const neighbour = await ask(0, '203.0.113.2')

    expect(new Set(before)).toEqual(new Set([200]))
    expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED', status: 429 })
    expect(refused.headers.get('ratelimit')).toMatch(/^"address";r=0;t=\d+$/)
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(health.status).toBe(200)
    expect(neighbour.status).toBe(200)
  })

  test('know the whole address of whoever the proxy speaks for', async () => {
    const password = 'correct horse battery'
    const create = ['users', 'create', '--email', 'a@example.com', '--role', 'admin', '--password-stdin']
    await replicas[0]?.command(create, { input: password })
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': '6.6.6.6, 2001:db8::77:1' }
    const body = JSON.stringify({ email: 'a@example.com', password })
    const login = await fetch(`${at(0)}/api/auth/login`, { method: 'POST', headers, body })
    const { access_token } = (await login.json()) as { access_token: string }

    const audit = await fetch(`${at(0)}/api/audit?limit=1`, {
      headers: { authorization: `Bearer ${access_token}` },
    })

    expect(await audit.json()).toMatchObject({
      items: [{ action: 'auth.logged_in', address: '2001:db8::77:1' }],
    })
  })

  test('count wrong passwords together', async () => {
    const counted = [
      ...(await statuses(3, () => logIn(0, '203.0.113.3'))),
      ...(await statuses(3, () => logIn(1, '203.0.113.3'))),
    ]

    expect(counted).toEqual([401, 401, 401, 401, 401, 429])
  })

  test('wait for no Redis that is frozen', async () => {
    process.kill(redis.pid, 'SIGSTOP')

    const asked = await statuses(allowed + 5, () => ask(0, '203.0.113.4'))
    const logins = await statuses(6, () => logIn(0, '203.0.113.5'))
    process.kill(redis.pid, 'SIGCONT')

    expect(asked.filter((status) => status === 200)).toHaveLength(allowed)
    expect(logins).toEqual([401, 401, 401, 401, 401, 429])
  })

  test('go on limiting each by itself when Redis is gone', async () => {
    process.kill(redis.pid, 'SIGKILL')

    const asked = await statuses(allowed + 5, () => ask(1, '203.0.113.6'))
    const logins = await statuses(6, () => logIn(1, '203.0.113.7'))

    expect(asked.filter((status) => status === 200)).toHaveLength(allowed)
    expect(asked.filter((status) => status === 429)).toHaveLength(5)
    expect(logins).toEqual([401, 401, 401, 401, 401, 429])
  })
})
