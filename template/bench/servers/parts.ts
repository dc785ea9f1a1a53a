import { Type } from '@sinclair/typebox'
import { type AnyElysia, Elysia } from 'elysia'
import { createAuth, jsonBody, problemErrors, requestContext } from '../../../shared/http/index.ts'
import { createLogger, createMetrics } from '../../../shared/observability/index.ts'

/** `/api/my-endpoint` with the parts of the service that `PARTS` names, each of which can so be priced. */
const parts = new Set(process.env.PARTS?.split(','))
const { accessLog } = createLogger({ service: 'example-service', level: 'info', format: 'json' })
const { observeRequest } = createMetrics({ service: 'example-service', version: '1.0.0' })
const observers = [
  ...(parts.has('log') ? [accessLog] : []),
  ...(parts.has('metrics') ? [observeRequest] : []),
]

let app: AnyElysia = new Elysia()
if (parts.has('context')) app = app.use(requestContext({ observers }))
if (parts.has('errors')) app = app.use(problemErrors({ problems: {}, report: () => {} }))
if (parts.has('body')) app = app.use(jsonBody({ maxBytes: 1024 * 1024 }))
if (parts.has('auth')) {
  const name = 'example-service'
  const secret = process.env.JWT_SECRET ?? ''
  app = app.use(
    createAuth({ secret, issuer: name, audience: name, ttlSeconds: 900, roles: ['admin'] }).authenticated,
  )
}
app
  .get(
    '/api/my-endpoint',
    () => ({ message: 'Hello from my service!' }),
    parts.has('schema') ? { response: Type.Object({ message: Type.String() }) } : {},
  )
  .listen({ hostname: '127.0.0.1', port: Number(process.env.PORT) })
