import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { eventually } from '@kiln/shared/testing'
import { startService } from '../../../tests/support/process.ts'

setDefaultTimeout(30_000)

describe('stopping', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s is answered with exit code 0, long before the deadline',
    async (signal) => {
      const service = await startService()
      const sentAt = performance.now()

      service.signal(signal)
      const outcome = await service.ended

      expect(outcome.exitCode).toBe(0)
      expect(performance.now() - sentAt).toBeLessThan(5000)
      expect(outcome.stdout).toContain('"msg":"stopped"')
      await service.close()
    },
  )

  test('a running request is answered, new connections are not taken, the connection is closed', async () => {
    const service = await startService({ SERVICE_DRAIN_DELAY_MS: '300' })
    await service.command(
      ['users', 'create', '--email', 'admin@example.com', '--role', 'admin', '--password-stdin'],
      {
        input: 'correct horse battery',
      },
    )
    const login = fetch(`${service.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'admin@example.com', password: 'correct horse battery' }),
    })

    service.signal('SIGTERM')
    const draining = await eventually(async () => {
      const ready = await fetch(`${service.url}/ready`)
      if (ready.status !== 503) throw new Error('not yet draining')
      return { connection: ready.headers.get('connection'), body: await ready.json() }
    })
    const outcome = await service.ended

    expect(draining).toEqual({ connection: 'close', body: { status: 'draining' } })
    expect((await login).status).toBe(200)
    expect(outcome.exitCode).toBe(0)
    await expect(fetch(`${service.url}/live`)).rejects.toThrow()
    await service.close()
  })

  test('what is still open at the deadline is named, and the exit code is 1', async () => {
    const service = await startService({ SERVICE_SHUTDOWN_TIMEOUT_MS: '1' })
    const logins = Array.from({ length: 8 }, () =>
      fetch(`${service.url}/api/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: 'nobody@example.com', password: 'correct horse battery' }),
      }).catch(() => undefined),
    )
    await eventually(async () => {
      const metrics = await (await fetch(`${service.url}/metrics`)).text()
      if (!metrics.includes('/metrics')) throw new Error('the logins are not yet being served')
    })

    service.signal('SIGTERM')
    const outcome = await service.ended
    await Promise.all(logins)

    expect(outcome.exitCode).toBe(1)
    expect(outcome.stdout).toMatch(/"part":"requests".*"msg":"still open"/)
    await service.close()
  })

  test('a second signal ends it at once', async () => {
    const service = await startService({ SERVICE_DRAIN_DELAY_MS: '60000' })

    service.signal('SIGTERM')
    await eventually(async () => {
      if ((await fetch(`${service.url}/ready`)).status !== 503) throw new Error('not yet draining')
    })
    service.signal('SIGTERM')
    const outcome = await service.ended

    expect(outcome.exitCode).toBe(1)
    await service.close()
  })
})
