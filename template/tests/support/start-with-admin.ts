import assert from 'node:assert/strict'
import { eventually } from '@kiln/shared/testing'
import { logInAdmin, startService } from '../../../tests/support/process.ts'
import { startOtherService } from './other-service.ts'

/** The whole service as a process, with an admin who has logged in, and another service on its events. */
export async function startWithAdmin(...started: Parameters<typeof startService>) {
  const service = await startService(...started)
  const token = await logInAdmin(service)
  const headers = { 'content-type': 'application/json' }
  const call = (method: string, path: string, sent?: unknown, more: Record<string, string> = {}) =>
    fetch(`${service.url}${path}`, {
      method,
      headers: { ...headers, authorization: `Bearer ${token}`, ...more },
      ...(sent !== undefined && { body: JSON.stringify(sent) }),
    })
  const prefix = service.env.SERVICE_EVENTS_PREFIX ?? ''
  const other = await startOtherService(prefix, service.env.SERVICE_REDIS_URL)
  return {
    ...service,
    token,
    call,
    prefix,
    other,
    /** Waits until its relay has sent what it was given so far, the admin's own event among it. */
    relayed: () =>
      eventually(async () => {
        const health = (await (await fetch(`${service.url}/health`)).json()) as { outbox?: { depth: number } }
        assert.equal(health.outbox?.depth, 0)
      }),
  }
}
