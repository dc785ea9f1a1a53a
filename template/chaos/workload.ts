import { setTimeout as delay } from 'node:timers/promises'
import { createRandom } from './random.ts'

const recentUsers = 40
const requestTimeoutMs = 5000
/** A client that was not served waits a little. */
const pauseMs = 20

export interface WorkloadOptions {
  /** Whether to go on, given how many writes were answered. */
  readonly more: (written: number) => boolean
  readonly clients: number
  readonly seed: number
  readonly token: string
  /** Where the replicas listen at this moment. */
  readonly ports: () => readonly number[]
  /** Called at each write that was answered, with how many there are now. */
  readonly wrote: (count: number) => void
}

/** What the clients were told, request by request. */
export interface Answers {
  /** Correlation ids of requests that were answered with success and must have written something. */
  readonly acknowledged: ReadonlySet<string>
  /** Ids of users whose verification was answered with success. */
  readonly verified: ReadonlySet<number>
  /** Requests by what became of them: `2xx`, `5xx`, `unanswered`, `refused`. */
  readonly counts: Readonly<Record<string, number>>
}

interface Write {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly done: (answer: { readonly id: number }) => void
}

/**
 * Creates, updates and verifies users from several clients at once for as long as there is more to do. No request is sent
 * twice: one without an answer may have been committed, and the next is another write.
 */
export async function writeUsers(options: WorkloadOptions): Promise<Answers> {
  const { more, clients, seed, token, ports, wrote } = options
  const acknowledged = new Set<string>()
  const verified = new Set<number>()
  const counts: Record<string, number> = {}
  const users: number[] = []
  let serial = 0

  async function client(random: ReturnType<typeof createRandom>): Promise<void> {
    while (more(acknowledged.size + verified.size)) {
      const write = choose(random)
      const correlationId = `chaos-${seed}-${serial++}`
      const outcome = await send(random.pick(ports()), write, correlationId)
      const name = typeof outcome === 'object' ? '2xx' : outcome
      counts[name] = (counts[name] ?? 0) + 1
      if (typeof outcome !== 'object') {
        await delay(pauseMs)
        continue
      }
      if (!write.path.endsWith('/verify')) acknowledged.add(correlationId)
      write.done(outcome)
      wrote(acknowledged.size + verified.size)
    }
  }

  function choose(random: ReturnType<typeof createRandom>): Write {
    const what = users.length < 10 ? 'create' : random.weighted({ create: 3, update: 5, verify: 2 })
    // Mostly users who were made lately, so that the events of a key come close together.
    const id = users[Math.max(0, users.length - 1 - random.integer(0, recentUsers))] ?? 0
    const first_name = `Name ${random.integer(1, 1e9)}`
    if (what === 'verify' && !verified.has(id))
      return { method: 'POST', path: `/api/users/${id}/verify`, done: () => verified.add(id) }
    if (what === 'create')
      return { method: 'POST', path: '/api/users', body: { first_name }, done: (user) => users.push(user.id) }
    return { method: 'PATCH', path: `/api/users/${id}`, body: { first_name }, done: () => {} }
  }

  async function send(
    port: number,
    { method, path, body }: Write,
    correlationId: string,
  ): Promise<{ readonly id: number } | string> {
    const headers = {
      authorization: `Bearer ${token}`,
      'x-correlation-id': correlationId,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers,
        signal: AbortSignal.timeout(requestTimeoutMs),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const answer = (await response.json()) as { readonly id: number }
      return response.ok ? answer : `${Math.floor(response.status / 100)}xx`
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'ConnectionRefused'
        ? 'refused'
        : 'unanswered'
    }
  }

  await Promise.all(
    Array.from({ length: clients }, (_, number) => client(createRandom(seed * 1000 + number))),
  )
  return { acknowledged, verified, counts }
}
