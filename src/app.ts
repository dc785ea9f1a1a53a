import {
  type AsyncApiDocument,
  type Auth,
  createAuth,
  docs,
  type HealthOptions,
  healthRoutes,
  jsonBody,
  jwksRoutes,
  type Limits,
  type LongLived,
  longLivedRoutes,
  metricsRoutes,
  problemErrors,
  type RequestObserver,
  requestContext,
  type WebConfig,
  webGuard,
} from '@kiln/shared/http'
import type { Telemetry } from '@kiln/shared/observability'
import {
  createEndedLogins,
  createPasswordHasher,
  type PasswordHasher,
  tokenKeysOf,
} from '@kiln/shared/security'
import { describeEvents, type EventDocsConfig } from '@kiln/shared/service'
import { Elysia } from 'elysia'
import type { Registry } from 'prom-client'
import packageJson from '../package.json' with { type: 'json' }
import type { Config } from './config.ts'
import { declareConsumers } from './consumers.ts'
import { problems } from './errors.ts'
import type { Database } from './infrastructure/database/connection.ts'
import { type Role, roles } from './infrastructure/database/schema.ts'
import { readEndedLogins } from './infrastructure/ended-logins.ts'
import { published, registry } from './infrastructure/events.ts'
import { auditRoutes } from './modules/audit/routes.ts'
import { authRoutes } from './modules/auth/routes.ts'
import { exampleRoutes } from './modules/example/routes.ts'
import { userRoutes } from './modules/users/routes.ts'
import type { UserDependencies } from './modules/users/users.ts'

const { name: title, version, description } = packageJson
const info = { title, version, description }

/** What every app of the process has: the frame around its routes. */
export interface FrameDependencies {
  readonly clientAddress: (request: Request) => string | undefined
  readonly observers: readonly RequestObserver[]
  readonly sampler?: Telemetry['sampler']
  /** Told of every answer of 500 and above. */
  readonly report: (error: unknown, code: string) => void
  /** True while the process is being stopped. */
  readonly closing: () => boolean
  readonly web: WebConfig
  /** How long a request may wait for the database and other services, milliseconds. */
  readonly timeoutMs: number
  readonly limits: Limits
}

export interface OperationsDependencies {
  readonly health: HealthOptions
  readonly registry: Registry
}

export interface AppDependencies extends FrameDependencies {
  readonly db: Database
  readonly auth: Auth<Role>
  readonly passwords: PasswordHasher
  readonly refreshTokenTtlSeconds: number
  readonly events: UserDependencies['events']
  /** What the service publishes and consumes. */
  readonly asyncApi: () => AsyncApiDocument
  /** Left out where no process lives on, see `edge.ts`. */
  readonly longLived?: LongLived
  /** Left out where they have a port of their own. */
  readonly operations?: OperationsDependencies
}

/** Everything HTTP, wired top to bottom. Builds and returns; whoever calls it listens. */
export function createApp(dependencies: AppDependencies) {
  const { operations, longLived, auth, web, asyncApi } = dependencies
  const app = createFrame(dependencies)
    .use(docs({ ...info, asyncApi, enabled: web.docsEnabled }))
    .use(exampleRoutes(dependencies))
    .use(authRoutes(dependencies))
    .use(jwksRoutes(auth))
    .use(userRoutes(dependencies))
    .use(auditRoutes(dependencies))
    .use(longLived ? longLivedRoutes({ ...longLived, auth, operators: ['admin'] }) : [])
  return operations ? app.use(operationsRoutes(operations)) : app
}

/** `/live`, `/ready`, `/health` and `/metrics` by themselves, for `SERVICE_OPERATIONS_PORT`. */
export function createOperationsApp(
  dependencies: FrameDependencies & { operations: OperationsDependencies },
) {
  return createFrame(dependencies).use(operationsRoutes(dependencies.operations))
}

function createFrame({ report, web, limits, ...frame }: FrameDependencies) {
  // Else a host of three letters is taken for a part of the path.
  return new Elysia({ handler: { standardHostname: false } })
    .use(requestContext({ ...frame, gate: limits.gate, guard: webGuard(web) }))
    .use(problemErrors({ problems, report }))
    .use(jsonBody({ maxBytes: web.maxBodyBytes, timeoutMs: web.bodyTimeoutMs }))
    .use(limits.perUser)
}

/** What the routes need of the service, beside their frame. */
export function serviceParts(config: Config, db: Database, onError?: (error: unknown) => void) {
  const { serviceName: issuer, jwtAudience: audience = issuer } = config
  const { accessTokenTtlSeconds: ttlSeconds, refreshTokenTtlSeconds } = config
  const endedLogins = createEndedLogins({ read: readEndedLogins(db), ttlSeconds, onError })
  const auth = createAuth({ keys: tokenKeysOf(config), issuer, audience, ttlSeconds, roles, endedLogins })
  const passwords = createPasswordHasher()
  return { db, auth, endedLogins, passwords, refreshTokenTtlSeconds, asyncApi: () => asyncApiOf(config) }
}

function operationsRoutes({ health, registry }: OperationsDependencies) {
  return new Elysia({ name: 'operations' }).use(healthRoutes(health)).use(metricsRoutes({ registry }))
}

/** What the service publishes and consumes, as AsyncAPI. */
export function asyncApiOf(config: EventDocsConfig) {
  return describeEvents(config, { ...info, registry, published, declare: declareConsumers })
}
