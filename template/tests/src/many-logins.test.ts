import { afterEach, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { createPasswordHasher } from '@kiln/shared/security'
import { eventually } from '@kiln/shared/testing'
import { spawnProgram } from '../../../tests/support/process.ts'
import {
  createTestService,
  type TestService,
  testEnvironment,
  testPassword,
} from '../../../tests/support/service.ts'

let service: TestService
afterEach(() => service.close())

const credentials = { email: 'ada@example.org', password: testPassword }

describe('many logins at once', () => {
  test('beyond the queue are asked to come back later', async () => {
    service = await createTestService(
      {},
      { passwords: createPasswordHasher({ concurrency: 1, queueLimit: 1 }) },
    )
    await service.signUp('applicant', credentials.email)

    const answers = await Promise.all(
      Array.from({ length: 6 }, () => service.call('POST', '/api/auth/login', { body: credentials })),
    )

    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 503, 503, 503, 503])
    const busy = answers.find(({ status }) => status === 503)
    expect(busy?.headers.get('retry-after')).toBe('5')
    expect(busy?.body).toMatchObject({ code: 'SERVICE_BUSY', title: 'Service busy' })
  })

  test('fifty complete, and the process stays below 200 MB', async () => {
    service = await createTestService()
    await service.signUp('applicant', credentials.email)
    const { url, pid, stop } = await startProcess(service.database.url)

    const statuses = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const body = JSON.stringify(credentials)
        const headers = { 'content-type': 'application/json' }
        return (await fetch(`${url}/api/auth/login`, { method: 'POST', headers, body })).status
      }),
    )
    const peakKb = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    await stop()

    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(peakKb / 1024).toBeLessThan(200)
  }, 60_000)
})

async function startProcess(databaseUrl: string) {
  const settings = {
    SERVICE_DATABASE_URL: databaseUrl,
    SERVICE_PORT: '0',
    SERVICE_REDIS_URL: 'memory://',
    SERVICE_SINGLE_REPLICA: 'true',
    // On a busy machine a connection may take its time; this is about memory.
    SERVICE_DATABASE_CONNECT_TIMEOUT_MS: '30000',
    SERVICE_DATABASE_STATEMENT_TIMEOUT_MS: '30000',
    SERVICE_REQUEST_TIMEOUT_MS: '600000',
  }
  const { child, output, ended } = spawnProgram(['serve'], { env: testEnvironment(settings) })
  const port = await eventually(() => {
    const ready = /"port":(\d+).*"msg":"ready"/.exec(output.stdout)
    if (ready === null) throw new Error(`the service is not ready:\n${output.stdout}${output.stderr}`)
    return Number(ready[1])
  })
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop }
}
