import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { eventually } from '@kiln/shared/testing'
import { type RunningService, startService } from '../../../tests/support/process.ts'
import { startCollector } from '../support/collector.ts'

setDefaultTimeout(60_000)

describe('everything that a run writes', () => {
  const secrets = {
    password: 'planted-password-4711',
    newPassword: 'planted-successor-4711',
    email: 'planted@example.org',
    phone: '+4930123454711',
    name: 'Plantedname',
    query: 'planted-in-the-query',
    path: 'planted-in-the-path',
    collectorKey: 'planted-collector-key',
  }
  let service: RunningService
  let collector: Awaited<ReturnType<typeof startCollector>>
  let tokens: string[]
  let written: string

  beforeAll(async () => {
    collector = await startCollector()
    service = await startService({
      ...collector.env,
      SERVICE_LOG_LEVEL: 'trace',
      SERVICE_SLOW_QUERY_MS: '1',
      SERVICE_SLOW_REQUEST_MS: '1',
      OTEL_EXPORTER_OTLP_HEADERS: `x-api-key=${secrets.collectorKey}`,
    })
    const { password, newPassword, email, phone, name } = secrets
    const create = ['users', 'create', '--email', 'admin@example.com', '--role', 'admin', '--password-stdin']
    await service.command(create, { input: password })
    const call = async (method: string, path: string, body?: unknown, token?: string) => {
      const response = await fetch(service.url + path, {
        method,
        headers: {
          'content-type': 'application/json',
          cookie: `session=${secrets.query}`,
          ...(token && { authorization: `Bearer ${token}` }),
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      return (await response.json().catch(() => ({}))) as Record<string, string>
    }
    const login = await call('POST', '/api/auth/login', { email: 'admin@example.com', password })
    const token = login.access_token ?? ''
    await call('POST', '/api/auth/login', { email, password: newPassword })
    const user = await call('POST', '/api/users', { first_name: name, email, phone }, token)
    await call('POST', '/api/users', { first_name: name, email, phone }, token)
    await call('POST', '/api/users', { first_name: name, email: `${email} `, password }, token)
    await call('POST', '/api/users', `{"password":"${password}"`, token)
    await call('PATCH', `/api/users/${user.id}?secret=${secrets.query}`, { phone }, token)
    await call('GET', `/${secrets.path}?token=${secrets.query}`)
    await call('GET', '/api/auth/me', undefined, `${token}x`)
    const { token: passwordToken = '' } = await call(
      'POST',
      `/api/users/${user.id}/password-token`,
      {},
      token,
    )
    await call('POST', '/api/auth/password/set', { token: passwordToken, new_password: newPassword })
    const again = await call('POST', '/api/auth/refresh', { refresh_token: login.refresh_token })
    tokens = [
      token,
      passwordToken,
      login.refresh_token ?? '',
      again.access_token ?? '',
      again.refresh_token ?? '',
    ]
    service.signal('SIGTERM')
    const { stdout, stderr } = await service.ended
    written =
      stdout +
      stderr +
      JSON.stringify(collector.spans, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  })
  afterAll(async () => {
    await service.close()
    await collector.close()
  })

  test('tells of statements, warnings, requests and spans', () => {
    // How many are slow is up to the machine.
    expect(written).toMatch(/"msg":"(slow )?query"/)
    for (const part of ['"msg":"slow request"', '"msg":"request"']) expect(written).toContain(part)
    expect(written).toContain('POST /api/auth/login')
    expect(collector.headers[0]).toMatchObject({ 'x-api-key': secrets.collectorKey })
  })

  test.each(Object.entries(secrets))('holds no %s', (_, secret) => {
    expect(written).not.toContain(secret)
  })

  test('holds no token and no key', () => {
    expect(tokens.filter((token) => token.length < 20)).toEqual([])
    for (const token of tokens) expect(written.includes(token)).toBe(false)
    expect(written).not.toContain(service.env.SERVICE_JWT_SECRET_KEY ?? '')
    expect(written).not.toContain('Bearer ')
  })
})

test('SIGUSR2 turns DEBUG on, and the second time off', async () => {
  const service = await startService()
  const changes = () =>
    [...service.output.stdout.matchAll(/"from":"(\w+)","to":"(\w+)"/g)].map(([, ...both]) => both)

  service.signal('SIGUSR2')
  await eventually(() => expect(changes()).toEqual([['INFO', 'DEBUG']]))
  await fetch(`${service.url}/ready`)
  await eventually(() => expect(service.output.stdout).toContain('"msg":"query"'))
  service.signal('SIGUSR2')

  await eventually(() =>
    expect(changes()).toEqual([
      ['INFO', 'DEBUG'],
      ['DEBUG', 'INFO'],
    ]),
  )
  await service.close()
})
