import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { startPostgres } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { startService } from '../../../tests/support/process.ts'
import { hasRedis } from '../../../tests/support/redis.ts'
import { readEventStream } from '../support/event-stream.ts'
import { startWithAdmin } from '../support/start-with-admin.ts'

setDefaultTimeout(60_000)

describe.skipIf(!hasRedis)('an admin who watches', () => {
  test('sees another process start, lose its database, fail a request, recover and stop', async () => {
    const postgres = await startPostgres()
    const service = await startWithAdmin()
    const stream = readEventStream(
      await service.call('GET', '/api/events/live?types=system.health_check,system.error'),
    )
    await eventually(() => expect(stream.received).toHaveLength(1))
    const told = () => stream.events().map(({ data }) => (data as { data: Record<string, unknown> }).data)

    const { SERVICE_DATABASE_URL: _, ...env } = service.env
    const other = await startService({ ...env, SERVICE_PORT: '0', SERVICE_DATABASE_URL: postgres.url })
    await eventually(() => expect(told()).toMatchObject([{ status: 'healthy' }]))
    process.kill(postgres.pid, 'SIGKILL')
    await eventually(() => expect(told().at(-1)).toMatchObject({ status: 'unhealthy' }))
    const refused = await fetch(`${other.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-correlation-id': 'from-afar' },
      body: JSON.stringify({ email: 'planted@example.com', password: 'planted-password-1' }),
    })
    await eventually(() => expect(told()).toHaveLength(3))
    await postgres.restart()
    await eventually(() => expect(told().at(-1)).toMatchObject({ status: 'healthy' }))
    other.signal('SIGTERM')
    const { exitCode } = await other.ended
    await eventually(() => expect(told()).toHaveLength(5))

    expect([refused.status, exitCode]).toEqual([503, 0])
    expect(told()[2]).toEqual({
      service: 'example-service',
      code: 'DATABASE_UNAVAILABLE',
      message: 'The database cannot be reached',
      correlation_id: 'from-afar',
      occurred_at: expect.any(String),
    })
    const health = told().filter(({ status }) => status !== undefined)
    expect(health.map(({ status }) => status)).toEqual(['healthy', 'unhealthy', 'healthy', 'unhealthy'])
    expect(new Set(health.map(({ instance }) => instance)).size).toBe(1)
    await stream.close()
    await service.other.close()
    await service.close()
    await other.close()
    await postgres.stop()
  })
})
