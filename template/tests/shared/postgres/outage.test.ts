import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type KeptServer, startPostgres } from '@kiln/shared/embedded'
import { connectServiceDatabase } from '../../../../src/infrastructure/database/connection.ts'
import { createTestService, type TestService } from '../../../../tests/support/service.ts'
import { descendants, until } from '../../support/processes.ts'

setDefaultTimeout(60_000)

let server: KeptServer
let service: TestService
let token: string
beforeAll(async () => {
  server = await startPostgres()
  const limits = { databaseStatementTimeoutMs: 300, databaseConnectTimeoutMs: 500 }
  service = await createTestService(
    {},
    { connect: (config) => connectServiceDatabase({ ...config, ...limits, databaseUrl: server.url }) },
  )
  token = (await service.signIn('admin')).token
})
afterAll(async () => {
  await service.close()
  await server.stop()
})

const listUsers = () => service.call('GET', '/api/users', { token })

async function timed() {
  const startedAtMs = performance.now()
  const answer = await listUsers()
  return { ...answer, tookMs: performance.now() - startedAtMs }
}

describe('while the database', () => {
  test('stands still, requests are answered 503 within the limits, and afterwards as before', async () => {
    await listUsers()
    const processes = [server.pid, ...descendants(server.pid)]
    for (const pid of processes) process.kill(pid, 'SIGSTOP')

    const answers = await Promise.all(Array.from({ length: 3 }, timed))
    for (const pid of processes) process.kill(pid, 'SIGCONT')
    await until('an answer', async () => (await listUsers()).status === 200)

    for (const { status, body, headers, tookMs } of answers) {
      expect(status).toBe(503)
      expect(['DATABASE_TIMEOUT', 'DATABASE_UNAVAILABLE']).toContain(String(body.code))
      expect(headers.get('retry-after')).toBe('1')
      expect(tookMs).toBeLessThan(4000)
    }
  })

  test('is killed, requests are answered 503 at once, and as before when it is back', async () => {
    await listUsers()
    process.kill(server.pid, 'SIGKILL')
    await server.crashed

    const { status, body, headers, tookMs } = await timed()
    const unaffected = await service.call('GET', '/api/my-endpoint')
    await server.restart()
    await until('an answer', async () => (await listUsers()).status === 200)

    expect(status).toBe(503)
    expect(body).toMatchObject({ code: 'DATABASE_UNAVAILABLE', detail: 'The database cannot be reached' })
    expect(headers.get('retry-after')).toBe('1')
    expect(tookMs).toBeLessThan(2000)
    expect(unaffected.status).toBe(200)
  })

  test('was away, every failed request was reported with its cause', () => {
    expect(service.reported.length).toBeGreaterThan(0)
    for (const { error, code } of service.reported) {
      expect(code).toStartWith('DATABASE_')
      expect(error).toMatchObject({ cause: expect.any(Error) })
    }
  })
})
