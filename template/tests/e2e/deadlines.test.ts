import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { eventually } from '@kiln/shared/testing'
import { Client } from 'pg'
import { startWithAdmin } from '../support/start-with-admin.ts'

setDefaultTimeout(60_000)

/** A service whose audit trail is locked by somebody else: who reads it waits. */
async function startLocked(env: Record<string, string>) {
  const service = await startWithAdmin(env)
  const locker = new Client({ connectionString: service.env.SERVICE_DATABASE_URL ?? '' })
  await locker.connect()
  await locker.query('begin; lock table audit_log')
  return {
    ...service,
    /** The statements that wait for the lock. */
    async waiting(): Promise<number> {
      const { rows } = await locker.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
      return rows.length
    },
    unlock: () => locker.query('rollback'),
    async close(): Promise<void> {
      await locker.end()
      await service.other.events.close()
      await service.other.transports.close()
      await service.close()
    },
  }
}

describe('a request', () => {
  test('whose time is up is answered, and its statement does not go on', async () => {
    const service = await startLocked({ SERVICE_REQUEST_TIMEOUT_MS: '3000' })

    const answer = await service.call('GET', '/api/audit')
    const waiting = await service.waiting()
    await service.unlock()
    const after = await service.call('GET', '/api/audit')

    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(await answer.json()).toMatchObject({ code: 'REQUEST_TIMEOUT' })
    expect(waiting).toBe(0)
    expect(after.status).toBe(200)
    await service.close()
  })

  test('whose client goes away leaves no statement behind', async () => {
    const service = await startLocked({
      SERVICE_REQUEST_TIMEOUT_MS: '600000',
      SERVICE_DATABASE_STATEMENT_TIMEOUT_MS: '600000',
    })
    const gone = new AbortController()
    const headers = { authorization: `Bearer ${service.token}` }

    const asked = fetch(`${service.url}/api/audit`, { headers, signal: gone.signal }).catch(() => 'gone')
    await eventually(async () => expect(await service.waiting()).toBe(1))
    gone.abort()

    expect(await asked).toBe('gone')
    await eventually(async () => expect(await service.waiting()).toBe(0))
    await eventually(() => expect(service.output.stdout).toMatch(/"status":499/))
    await service.unlock()
    expect((await service.call('GET', '/api/audit')).status).toBe(200)
    await service.close()
  })
})
