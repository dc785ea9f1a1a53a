import { createLimits } from '@kiln/shared/http'
import { createMetrics, limitMetrics } from '@kiln/shared/observability'
import { createPasswordHasher } from '@kiln/shared/security'
import { type AppDependencies, createApp, serviceParts } from '../../src/app.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import { connectServiceDatabase, type Database } from '../../src/infrastructure/database/connection.ts'
import { migrateUp } from '../../src/infrastructure/database/migrations/index.ts'
import type { Role } from '../../src/infrastructure/database/schema.ts'
import type { CreateUser, User } from '../../src/modules/users/schemas.ts'
import { createUser } from '../../src/modules/users/users.ts'
import { createTestDatabase } from './database.ts'
import { startTestEvents, type TestEventsParts } from './events.ts'

/** A good password; the one of every user that `signUp` makes. */
export const testPassword = 'plum-42-harbour-lantern'

export const testSecret = 'k9Xw2vQp7RzLt4Ym8NcB3sHf6JdG1aEu5oPiVqWx0Z'

/** What the service would read from its environment, without anything of the developer's own. */
export function testEnvironment(overrides: Record<string, string> = {}): Record<string, string> {
  return {
    SERVICE_DATABASE_URL: 'postgres://unused@127.0.0.1:1/unused',
    SERVICE_REDIS_URL: 'redis://127.0.0.1:1',
    SERVICE_JWT_SECRET_KEY: testSecret,
    SERVICE_DRAIN_DELAY_MS: '0',
    // All tests are one address, and the same admin.
    SERVICE_RATE_LIMIT_ENABLED: 'false',
    ...overrides,
  }
}

export interface Answer<Body> {
  readonly status: number
  readonly headers: Headers
  /** What the test says that it expects; the assertions prove it. */
  readonly body: Body
}

export interface CallOptions {
  /** Text, bytes and streams are sent as they are, everything else as JSON. */
  readonly body?: unknown
  readonly token?: string
  readonly headers?: Record<string, string>
}

export interface TestParts {
  /** In place of the service's own. */
  readonly connect?: (config: Config) => Database
  readonly passwords?: AppDependencies['passwords']
  readonly observers?: AppDependencies['observers']
  readonly events?: TestEventsParts
}

export type TestService = Awaited<ReturnType<typeof createTestService>>

/**
 * The app on a database of its own, called through its front door but without a port.
 *
 * `close()` drops the database: call it in `afterAll`.
 */
export async function createTestService(
  overrides: Record<string, string> = {},
  { connect, passwords = createPasswordHasher(), observers = [], events: eventParts }: TestParts = {},
) {
  const database = await createTestDatabase()
  const config = loadConfig(testEnvironment({ SERVICE_DATABASE_URL: database.url, ...overrides }))
  const metrics = createMetrics({ service: config.serviceName, version: 'test' })
  const db = connect?.(config) ?? connectServiceDatabase(config, { registry: metrics.registry })
  await migrateUp(db)
  const parts = serviceParts(config, db)
  const { auth, endedLogins } = parts
  const events = await startTestEvents(config, { db, metrics: metrics.registry }, eventParts)
  const limits = createLimits({
    ...config,
    observer: limitMetrics(metrics.registry),
  })
  const reported: { error: unknown; code: string }[] = []
  const app = createApp({
    ...parts,
    passwords,
    events: events.events,
    longLived: { eventOperations: events.operations, live: events.live, logLevel: events.logLevel },
    clientAddress: () => '192.0.2.1',
    observers: [metrics.observeRequest, ...observers],
    report(error, code) {
      reported.push({ error, code })
      events.system.failed(error, code)
    },
    closing: () => false,
    web: config,
    timeoutMs: config.requestTimeoutMs,
    limits,
    operations: { registry: metrics.registry, health: { required: {}, phase: () => 'ready' } },
  })

  const call = async <Body = Record<string, unknown>>(
    method: string,
    path: string,
    { body, token, headers }: CallOptions = {},
  ): Promise<Answer<Body>> => {
    const response = await app.handle(
      new Request(`http://localhost${path}`, {
        method,
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(body !== undefined && { body: isRaw(body) ? body : JSON.stringify(body) }),
      }),
    )
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text ? JSON.parse(text) : text,
    }
  }

  return {
    app,
    db,
    auth,
    endedLogins,
    passwords,
    database,
    /** Its events, in memory where nothing else is said. */
    events,
    /** Every answer of 500 and above. */
    reported,
    call,
    /** A user straight in the database, with an access token. */
    async signIn(role: Role, user: Partial<CreateUser> = {}): Promise<{ user: User; token: string }> {
      const created = await createUser({ db, events: events.events }, 'system', {
        first_name: `Some ${role}`,
        ...user,
        role,
      })
      return { user: created, token: await auth.issueAccessToken({ userId: created.id, role }) }
    },
    /** A user who can log in with `testPassword`, with an access token. */
    async signUp(role: Role, email: string): Promise<{ user: User; token: string }> {
      passwordHash ??= createPasswordHasher().hash(testPassword)
      const input = { first_name: `Some ${role}`, email, role, password_hash: await passwordHash }
      const created = await createUser({ db, events: events.events }, 'system', input)
      return { user: created, token: await auth.issueAccessToken({ userId: created.id, role }) }
    },
    /** The tokens of a new login with `testPassword`. */
    async logIn(email: string): Promise<{ access_token: string; refresh_token: string }> {
      const { body } = await call('POST', '/api/auth/login', { body: { email, password: testPassword } })
      return body as { access_token: string; refresh_token: string }
    },
    async close(): Promise<void> {
      metrics.close()
      await limits.close()
      await events.close()
      await db.destroy()
      await database.drop()
    },
  }
}

/** Hashing is dear, and the same for all: once is enough. */
let passwordHash: Promise<string> | undefined

function isRaw(body: unknown): body is string | Uint8Array<ArrayBuffer> | ReadableStream {
  return typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream
}
