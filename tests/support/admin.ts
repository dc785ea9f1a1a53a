import assert from 'node:assert/strict'
import { eventually } from '@kiln/shared/testing'
import { startOtherService } from './other-service.ts'
import { type RunningService, startService } from './process.ts'

const password = 'correct horse battery'

/** The access token of an admin who is made, where there is none yet, and has logged in. */
export async function logInAdmin({ url, command }: Pick<RunningService, 'url' | 'command'>): Promise<string> {
  const create = ['users', 'create', '--email', 'admin@example.com', '--role', 'admin', '--password-stdin']
  await command([...create, '--if-missing'], { input: password })
  const login = await fetch(`${url}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'admin@example.com', password }),
  })
  const { access_token } = (await login.json()) as { access_token: string }
  return access_token
}

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
