import { randomUUID } from 'node:crypto'
import jwt from '@fastify/jwt'
import Fastify, { LogController } from 'fastify'
import { addUser, createLogger, durations, findUser, newUserSchema, openDatabase, token } from './work.js'

/** The same work on Fastify and Node. */
const db = openDatabase()
const logger = createLogger()
const app = Fastify({
  loggerInstance: logger,
  logController: new LogController({ disableRequestLogging: true }),
  genReqId: (request) => request.headers['x-correlation-id'] ?? randomUUID(),
})

await app.register(jwt, {
  secret: token.secret,
  verify: {
    algorithms: ['HS256'],
    allowedIss: token.issuer,
    allowedAud: token.audience,
    requiredClaims: ['exp', 'sub'],
  },
})
app.addHook('onSend', async (request, reply) => {
  reply.header('x-correlation-id', request.id)
})
app.addHook('onResponse', async (request, reply) => {
  const { method, routeOptions, id, user } = request
  const route = routeOptions.url
  const status = reply.statusCode
  durations.observe(
    { http_request_method: method, http_route: route, http_response_status_code: status },
    reply.elapsedTime / 1000,
  )
  logger.info(
    {
      correlation_id: id,
      method,
      route,
      status,
      duration_ms: reply.elapsedTime,
      ...(user && { user_id: Number(user.sub) }),
    },
    'request',
  )
})

const authenticate = (request) => request.jwtVerify()

app.get(
  '/api/my-endpoint',
  {
    schema: { response: { 200: { type: 'object', properties: { message: { type: 'string' } } } } },
  },
  async () => ({ message: 'Hello from my service!' }),
)
app.get('/protected', { onRequest: authenticate }, async (request) => ({ user_id: Number(request.user.sub) }))
app.get('/api/users/:id', { onRequest: authenticate }, (request) => findUser(db, request.params.id))
app.post(
  '/api/users',
  { onRequest: authenticate, schema: { body: newUserSchema } },
  async ({ body, user, id, ip }, reply) => {
    reply.code(201)
    return addUser(db, { user: body, actorId: user.sub, correlationId: id, address: ip })
  },
)

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
