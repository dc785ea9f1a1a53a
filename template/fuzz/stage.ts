import { startService } from '../../tests/support/process.ts'
import { testSecret } from '../../tests/support/service.ts'
import { createJudge, type FuzzAnswer } from './judge.ts'
import { type Document, readOperations } from './operations.ts'
import type { Caller, FuzzRequest } from './requests.ts'
import { createSupplies } from './supplies.ts'

/** Of every user here; no answer and no line of the log may hold it. */
const password = 'planted-harbour-lantern-83'

const forged = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwicm9sZSI6ImFkbWluIn0.'

export type Stage = Awaited<ReturnType<typeof openStage>>

/** The service as a process on a real PostgreSQL and Redis, with somebody of each role who has logged in. */
export async function openStage() {
  const service = await startService()
  const document = (await (await fetch(`${service.url}/docs/json`)).json()) as Document
  const secrets = [testSecret, password, service.env.SERVICE_DATABASE_URL ?? '', '$scrypt$', 'scrypt:']
  const tokens = new Map<Caller, string>()
  let users = 0

  const newcomer = async (role: Caller): Promise<string> => {
    users += 1
    const email = `fuzz-${users}@example.org`
    const create = ['users', 'create', '--email', email, '--role', role, '--password-stdin']
    await service.command(create, { input: password })
    return email
  }
  const enter = async (role: Caller): Promise<string> => {
    const email = await newcomer(role)
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ email, password })
    const answer = await fetch(`${service.url}/api/auth/login`, { method: 'POST', headers, body })
    if (answer.status !== 200) throw new Error(`${role} cannot log in: ${answer.status}`)
    const { access_token: token } = (await answer.json()) as { access_token: string }
    tokens.set(role, token)
    return token
  }

  const tokenOf = async (caller: Caller): Promise<string | undefined> => {
    if (caller === 'nobody') return undefined
    return caller === 'forger' ? forged : (tokens.get(caller) ?? (await enter(caller)))
  }

  const asAdmin = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${await tokenOf('admin')}` }
    const sent = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const answer = await fetch(`${service.url}${path}`, sent)
    if (answer.status !== 401) return answer
    tokens.delete('admin')
    return await asAdmin(method, path, body)
  }
  const supplies = createSupplies({ service, password, asAdmin, newcomer: () => newcomer('manager') })

  return {
    service,
    operations: readOperations(document),
    judge: createJudge(document, secrets),
    /** The log is read for them as well. */
    secrets,
    async subscriptions(): Promise<readonly string[]> {
      const answer = await asAdmin('GET', '/api/events/subscriptions')
      const { items } = (await answer.json()) as { items: readonly { readonly subscription: string }[] }
      return items.map(({ subscription }) => subscription)
    },
    async send({ operation, caller, headers, ...texts }: FuzzRequest): Promise<FuzzAnswer> {
      const [target, body] = await supplies.fill([
        texts.target,
        ...(texts.body === undefined ? [] : [texts.body]),
      ])
      const token = await tokenOf(caller)
      const cut = new AbortController()
      const started = performance.now()
      const answer = await fetch(`${service.url}${target}`, {
        method: operation.method,
        headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
        ...(body !== undefined && { body }),
        signal: AbortSignal.any([cut.signal, AbortSignal.timeout(10_000)]),
        redirect: 'manual',
      })
      const isEndless = answer.headers.get('content-type')?.startsWith('text/event-stream')
      if (isEndless) cut.abort()
      // Somebody was deactivated or given another role by a request before.
      if (answer.status === 401 && operation.isGuarded) tokens.delete(caller)
      if (answer.ok && operation.method === 'DELETE') supplies.used()
      const text = isEndless ? '' : await answer.text()
      return { status: answer.status, headers: answer.headers, text, tookMs: performance.now() - started }
    },
    async close(): Promise<void> {
      supplies.close()
      await service.close()
    },
  }
}
