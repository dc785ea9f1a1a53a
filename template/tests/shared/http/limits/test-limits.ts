import { afterEach } from 'bun:test'
import {
  createAuth,
  createLimits,
  type LimitsOptions,
  problemErrors,
  requestContext,
  SharedError,
  sharedProblems,
} from '@kiln/shared/http'
import { limitMetrics } from '@kiln/shared/observability'
import { createRedisClient } from '@kiln/shared/redis'
import { readTokenKeys } from '@kiln/shared/security'
import { Elysia } from 'elysia'
import { Registry } from 'prom-client'

const roles = ['applicant'] as const
const secret = 'k9Xw2vQp7RzLt4Ym8NcB3sHf6JdG1aEu5oPiVqWx0Z'

interface Given extends Partial<LimitsOptions> {
  readonly redisUrl?: string
  readonly redisTimeoutMs?: number
}

export interface Caller {
  readonly address?: string
  readonly userId?: number
  readonly body?: unknown
}

/** @returns what makes replicas of a small service behind a front door; each ends with its test. */
export function testReplicas() {
  const cleanups: (() => unknown)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })

  return async ({ redisUrl, redisTimeoutMs = 2000, ...given }: Given = {}) => {
    const redis = redisUrl
      ? createRedisClient(redisUrl, { name: 'limits', timeoutMs: redisTimeoutMs })
      : undefined
    await redis?.connect()
    cleanups.push(() => redis?.disconnect())
    const registry = new Registry()
    const limits = createLimits({
      rateLimitEnabled: true,
      rateLimitAddress: 1000,
      rateLimitUser: 1000,
      rateLimitLogin: 3,
      maxConcurrentRequests: 1000,
      shedLagMs: 0,
      serviceName: 'limited',
      jwtSecretKey: secret,
      redis,
      observer: limitMetrics(registry),
      ...given,
    })
    cleanups.push(limits.close)
    const auth = createAuth({
      keys: readTokenKeys({ secret }),
      issuer: 'i',
      audience: 'a',
      ttlSeconds: 60,
      roles,
    })
    let passwordsLookedAt = 0
    /** What a route waits for. */
    const held = Promise.withResolvers<void>()
    cleanups.push(() => held.resolve())

    const app = new Elysia()
      .use(
        requestContext({
          clientAddress: ({ headers }) => headers.get('x-test-address') ?? '192.0.2.1',
          gate: limits.gate,
        }),
      )
      .use(
        problemErrors({
          problems: { ...sharedProblems, CREDENTIALS_INVALID: { status: 401, title: 'Wrong' } },
          report: () => {},
        }),
      )
      .use(limits.perUser)
      .get('/live', () => 'up')
      .get('/open', () => 'open')
      .get('/held', async () => {
        await held.promise
        return 'held'
      })
      .get('/few', () => 'few', { beforeHandle: limits.limit({ policy: 'few', points: 3, perSeconds: 60 }) })
      .post('/login', ({ body }) => {
        const { email, password } = body as { email: string; password: string }
        return limits.logins.attempt(email, async () => {
          passwordsLookedAt += 1
          if (password === 'unavailable') throw new SharedError('DATABASE_UNAVAILABLE', 'Away')
          if (password !== 'right') throw new SharedError('CREDENTIALS_INVALID' as 'NOT_FOUND', 'Wrong')
          return 'in'
        })
      })
      .use(auth.authenticated)
      .get('/mine', () => 'mine')

    const call = async (path: string, { address, userId, body }: Caller = {}): Promise<Response> => {
      const token = userId && (await auth.issueAccessToken({ userId, role: 'applicant' }))
      const request = new Request(`http://localhost${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          ...(address && { 'x-test-address': address }),
          ...(token && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return await app.handle(request)
    }
    return {
      app,
      limits,
      call,
      registry,
      letGo: held.resolve,
      passwordsLookedAt: () => passwordsLookedAt,
      /** The statuses of so many calls, one after the other. */
      async statuses(count: number, ...args: Parameters<typeof call>): Promise<number[]> {
        const statuses: number[] = []
        for (let index = 0; index < count; index++) statuses.push((await call(...args)).status)
        return statuses
      },
      logIn: (email: string, password: string, address?: string) =>
        call('/login', { body: { email, password }, ...(address && { address }) }),
    }
  }
}
