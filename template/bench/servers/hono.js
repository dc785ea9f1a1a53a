import { Hono } from 'hono'
import { getConnInfo } from 'hono/bun'
import { verify } from 'hono/jwt'
import { routePath } from 'hono/route'
import { validator } from 'hono/validator'
import { addUser, createLogger, durations, findUser, openDatabase, token } from './work.js'

/** The same work on Hono and Bun. */
const db = openDatabase()
const logger = createLogger()
const app = new Hono()

app.use(async (c, next) => {
  const startedAt = performance.now()
  const id = c.req.header('x-correlation-id') ?? crypto.randomUUID()
  c.set('correlationId', id)
  await next()
  c.header('x-correlation-id', id)
  const method = c.req.method
  const route = routePath(c, -1)
  const status = c.res.status
  const durationMs = performance.now() - startedAt
  durations.observe(
    { http_request_method: method, http_route: route, http_response_status_code: status },
    durationMs / 1000,
  )
  const userId = c.get('userId')
  logger.info(
    {
      correlation_id: id,
      method,
      route,
      status,
      duration_ms: durationMs,
      ...(userId && { user_id: userId }),
    },
    'request',
  )
})

const authenticate = async (c, next) => {
  const bearer = c.req.header('authorization')?.slice('Bearer '.length) ?? ''
  try {
    const claims = await verify(bearer, token.secret, {
      alg: 'HS256',
      iss: token.issuer,
      aud: token.audience,
    })
    if (claims.exp === undefined) return c.json({ code: 'UNAUTHENTICATED' }, 401)
    c.set('userId', Number(claims.sub))
  } catch {
    return c.json({ code: 'UNAUTHENTICATED' }, 401)
  }
  await next()
}

const newUser = validator('json', ({ first_name, email, ...others }, c) => {
  const valid =
    typeof first_name === 'string' &&
    first_name.length >= 2 &&
    first_name.length <= 50 &&
    (email === undefined || (typeof email === 'string' && email.length <= 254)) &&
    Object.keys(others).length === 0
  return valid ? { first_name, email } : c.json({ code: 'VALIDATION_FAILED' }, 422)
})

app.get('/api/my-endpoint', (c) => c.json({ message: 'Hello from my service!' }))
app.get('/protected', authenticate, (c) => c.json({ user_id: c.get('userId') }))
app.get('/api/users/:id', authenticate, async (c) => c.json(await findUser(db, c.req.param('id'))))
app.post('/api/users', authenticate, newUser, async (c) =>
  c.json(
    await addUser(db, {
      user: c.req.valid('json'),
      actorId: c.get('userId'),
      correlationId: c.get('correlationId'),
      address: getConnInfo(c).remote.address,
    }),
    201,
  ),
)

Bun.serve({ hostname: '127.0.0.1', port: Number(process.env.PORT), fetch: app.fetch })
