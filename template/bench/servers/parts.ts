import { Type } from '@sinclair/typebox'
import { type AnyElysia, Elysia } from 'elysia'
import {
  createAuth,
  createLimits,
  jsonBody,
  problemErrors,
  requestContext,
  webGuard,
} from '../../../shared/http/index.ts'
import { createLogger, createMetrics, openTelemetry } from '../../../shared/observability/index.ts'
import { readTokenKeys } from '../../../shared/security/index.ts'

/** `/api/my-endpoint`, and `/protected` with a token, with the parts of the service that `PARTS` names, each of which can so be priced. */
const parts = new Set(process.env.PARTS?.split(','))
const about = { serviceName: 'example-service', version: '1.0.0', slowQueryMs: 500, slowRequestMs: 2000 }
const { logger, accessLog } = createLogger({ service: about.serviceName, level: 'info', format: 'json' })
const { registry, observeRequest } = createMetrics({ service: about.serviceName, version: about.version })
const { requests, sampler } = await openTelemetry(process.env, { ...about, logger, registry })
const observers = [
  ...(parts.has('log') ? [accessLog] : []),
  ...(parts.has('metrics') ? [observeRequest] : []),
  ...(parts.has('traces') ? requests : []),
]

const limits = createLimits({
  rateLimitEnabled: true,
  rateLimitAddress: 1_000_000_000,
  rateLimitUser: 1_000_000_000,
  rateLimitLogin: 5,
  maxConcurrentRequests: 1000,
  shedLagMs: 0,
  serviceName: about.serviceName,
  jwtSecretKey: process.env.JWT_SECRET,
})

let app: AnyElysia = new Elysia()
if (parts.has('context'))
  app = app.use(
    requestContext({
      observers,
      sampler: parts.has('traces') ? sampler : undefined,
      clientAddress: (request) => app.server?.requestIP(request)?.address,
      ...(parts.has('guard') && { guard: webGuard({ maxUrlBytes: 8192 }) }),
      ...(parts.has('limits') && { gate: limits.gate }),
    }),
  )
if (parts.has('errors')) app = app.use(problemErrors({ problems: {}, report: () => {} }))
if (parts.has('body')) app = app.use(jsonBody({ maxBytes: 1024 * 1024 }))
const auth = createAuth({
  keys: readTokenKeys({ secret: process.env.JWT_SECRET }),
  issuer: about.serviceName,
  audience: about.serviceName,
  ttlSeconds: 900,
  roles: ['admin'],
})
app.get(
  '/api/my-endpoint',
  () => ({ message: 'Hello from my service!' }),
  parts.has('schema') ? { response: Type.Object({ message: Type.String() }) } : {},
)
if (parts.has('auth'))
  app.use(auth.authenticated).get('/protected', ({ principal }) => ({ user_id: principal.userId }), {
    response: Type.Object({ user_id: Type.Integer() }),
  })
app.listen({ hostname: '127.0.0.1', port: Number(process.env.PORT) })
