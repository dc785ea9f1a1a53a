import { createAuth } from '@kiln/shared/http'
import { createMetrics } from '@kiln/shared/observability'
import { createPasswordHasher } from '@kiln/shared/security'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { connectServiceDatabase } from '../../src/infrastructure/database/connection.ts'
import { migrateUp } from '../../src/infrastructure/database/migrations/index.ts'
import { type Role, roles } from '../../src/infrastructure/database/schema.ts'
import type { CreateUser, User } from '../../src/modules/users/schemas.ts'
import { createUser } from '../../src/modules/users/users.ts'
import { createTestDatabase } from './database.ts'
import { startTestEvents } from './events.ts'

export const testSecret = 'k9Xw2vQp7RzLt4Ym8NcB3sHf6JdG1aEu5oPiVqWx0Z'

/** What the service would read from its environment, without anything of the developer's own. */
export function testEnvironment(overrides: Record<string, string> = {}): Record<string, string> {
  return {
    SERVICE_DATABASE_URL: 'postgres://unused@127.0.0.1:1/unused',
    SERVICE_REDIS_URL: 'redis://127.0.0.1:1',
    SERVICE_JWT_SECRET_KEY: testSecret,
    SERVICE_DRAIN_DELAY_MS: '0',
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
  readonly body?: unknown
  readonly token?: string
  readonly headers?: Record<string, string>
}

/**
 * The app on a database of its own, called through its front door but without a port.
 *
 * `close()` drops the database: call it in `afterAll`.
 */
export async function createTestService(overrides: Record<string, string> = {}) {
  const database = await createTestDatabase()
  const config = loadConfig(testEnvironment({ SERVICE_DATABASE_URL: database.url, ...overrides }))
  const metrics = createMetrics({ service: config.serviceName, version: 'test' })
  const db = connectServiceDatabase(config, { registry: metrics.registry })
  await migrateUp(db)
  const auth = createAuth({
    secret: config.jwtSecretKey,
    issuer: config.serviceName,
    audience: config.serviceName,
    ttlSeconds: config.accessTokenTtlSeconds,
    roles,
  })
  const passwords = createPasswordHasher()
  const events = await startTestEvents(config, { db, metrics: metrics.registry })
  const reported: { error: unknown; code: string }[] = []
  const app = createApp({
    db,
    auth,
    passwords,
    announce: events.announce,
    eventOperations: events.operations,
    live: events.live,
    refreshTokenTtlSeconds: config.refreshTokenTtlSeconds,
    clientAddress: () => '192.0.2.1',
    observers: [metrics.observeRequest],
    report: (error, code) => reported.push({ error, code }),
    closing: () => false,
    maxBodyBytes: config.maxBodyBytes,
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
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    )
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }

  return {
    app,
    db,
    auth,
    passwords,
    database,
    /** Its events, in memory. */
    events,
    /** Every answer of 500 and above. */
    reported,
    call,
    /** A user straight in the database, with an access token. */
    async signIn(role: Role, user: Partial<CreateUser> = {}): Promise<{ user: User; token: string }> {
      const created = await createUser({ db }, 'system', { first_name: `Some ${role}`, ...user, role })
      return { user: created, token: await auth.issueAccessToken({ userId: created.id, role }) }
    },
    async close(): Promise<void> {
      metrics.close()
      await events.close()
      await db.destroy()
      await database.drop()
    },
  }
}
