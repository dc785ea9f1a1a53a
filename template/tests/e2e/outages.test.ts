import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { findRedisBinary, startPostgres, startRedis } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { runProgram, startService } from '../../../tests/support/process.ts'
import { testEnvironment } from '../../../tests/support/service.ts'

setDefaultTimeout(60_000)

const binary = findRedisBinary() ?? ''

async function expectAnswer(url: string, status: number, body: unknown): Promise<void> {
  await eventually(async () => {
    const response = await fetch(url)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject(body as Record<string, unknown>)
  })
}

/** The server processes, one for each connection: frozen, the first process alone leaves them serving. */
function childrenOf(pid: number): number[] {
  const { stdout } = Bun.spawnSync(['pgrep', '-P', String(pid)])
  return stdout.toString().trim().split('\n').map(Number)
}

describe.skipIf(!binary)('Redis', () => {
  test('a service does not start without it', async () => {
    const outcome = await runProgram(['serve'], {
      env: testEnvironment({ SERVICE_REDIS_URL: 'redis://127.0.0.1:1' }),
    })

    expect(outcome.exitCode).toBe(1)
    expect(outcome.stdout).toContain('cannot start')
  })

  test('killed, it leaves the service ready but degraded; back again, all is well without a restart', async () => {
    const redis = await startRedis({ server: { binary } })
    const service = await startService({ SERVICE_REDIS_URL: redis.url })

    await expectAnswer(`${service.url}/health`, 200, { status: 'up', redis: { status: 'up' } })
    process.kill(redis.pid, 'SIGKILL')
    await expectAnswer(`${service.url}/health`, 200, { status: 'degraded', redis: { status: 'down' } })
    await expectAnswer(`${service.url}/ready`, 200, { status: 'degraded' })
    await redis.restart()
    await expectAnswer(`${service.url}/health`, 200, { status: 'up', redis: { status: 'up' } })

    await service.close()
    await redis.stop()
  })

  test('frozen, it is down for the health check, which answers in time', async () => {
    const redis = await startRedis({ server: { binary } })
    const service = await startService({ SERVICE_REDIS_URL: redis.url, SERVICE_REDIS_TIMEOUT_MS: '200' })

    process.kill(redis.pid, 'SIGSTOP')
    await expectAnswer(`${service.url}/health`, 200, { status: 'degraded', redis: { status: 'down' } })
    process.kill(redis.pid, 'SIGCONT')
    await expectAnswer(`${service.url}/health`, 200, { status: 'up' })

    await service.close()
    await redis.stop()
  })
})

describe('PostgreSQL', () => {
  test('killed, it leaves the service alive but not ready; back again, it serves without a restart', async () => {
    const postgres = await startPostgres()
    const service = await startService({ SERVICE_DATABASE_URL: postgres.url })
    const logIn = () =>
      fetch(`${service.url}/api/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: 'nobody@example.com', password: 'correct horse battery' }),
      })

    process.kill(postgres.pid, 'SIGKILL')
    await expectAnswer(`${service.url}/ready`, 503, { status: 'down' })
    await expectAnswer(`${service.url}/health`, 503, { status: 'down', database: { status: 'down' } })
    const during = await logIn()
    const live = await fetch(`${service.url}/live`)
    await postgres.restart()
    await expectAnswer(`${service.url}/ready`, 200, { status: 'ready' })
    const after = await logIn()

    expect(during.status).toBe(503)
    expect(during.headers.get('retry-after')).toBe('1')
    expect(await during.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(live.status).toBe(200)
    expect(after.status).toBe(401)
    await service.close()
    await postgres.stop()
  })

  test('frozen, it is answered for within the statement timeout', async () => {
    const postgres = await startPostgres()
    const service = await startService({
      SERVICE_DATABASE_URL: postgres.url,
      SERVICE_DATABASE_STATEMENT_TIMEOUT_MS: '1000',
      SERVICE_DATABASE_CONNECT_TIMEOUT_MS: '3000',
    })

    const processes = [postgres.pid, ...childrenOf(postgres.pid)]
    for (const pid of processes) process.kill(pid, 'SIGSTOP')
    await expectAnswer(`${service.url}/ready`, 503, { status: 'down' })
    for (const pid of processes) process.kill(pid, 'SIGCONT')
    await expectAnswer(`${service.url}/ready`, 200, { status: 'ready' })

    await service.close()
    await postgres.stop()
  })
})
