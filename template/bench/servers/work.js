import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import pino from 'pino'
import { Histogram, Registry } from 'prom-client'

/** What Fastify and Hono do with the libraries that their users take, so that all do the same work. */

const columns = [
  'id',
  'telegram_id',
  'first_name',
  'last_name',
  'email',
  'phone',
  'role',
  'verified_at',
  'created_at',
  'updated_at',
  'deactivated_at',
]

export const token = {
  secret: process.env.JWT_SECRET ?? '',
  issuer: 'example-service',
  audience: 'example-service',
}

export const openDatabase = () =>
  new Kysely({
    dialect: new PostgresDialect({
      pool: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }),
    }),
  })

export const findUser = (db, id) =>
  db.selectFrom('users').select(columns).where('id', '=', id).executeTakeFirst()

/** The user and its audit row, or neither. */
export const addUser = (db, { user, actorId, correlationId, address }) =>
  db.transaction().execute(async (trx) => {
    const row = await trx
      .insertInto('users')
      .values({ ...user, role: 'applicant' })
      .returning(columns)
      .executeTakeFirstOrThrow()
    await trx
      .insertInto('audit_log')
      .values({
        actor_type: 'user',
        actor_id: actorId,
        action: 'user.created',
        entity: 'user',
        entity_id: String(row.id),
        after: row,
        correlation_id: correlationId,
        address,
      })
      .execute()
    return row
  })

export const createLogger = () =>
  pino(
    { base: { service: 'example-service' }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 1, sync: false, minLength: 4096 }),
  )

export const registry = new Registry()

export const durations = new Histogram({
  name: 'http_server_request_duration_seconds',
  help: 'Duration of HTTP requests, by method, route and status',
  labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
  registers: [registry],
})

export const newUserSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['first_name'],
  properties: {
    first_name: { type: 'string', minLength: 2, maxLength: 50 },
    email: { type: 'string', maxLength: 254 },
  },
}
