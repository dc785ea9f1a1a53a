import { Elysia } from 'elysia'
import { findUser, openDatabase } from './work.js'

/** The read by id as a tutorial writes it: Kysely on a `pg` pool, without a token, logs or metrics. */
const db = openDatabase()

new Elysia()
  .get('/api/users/:id', ({ params }) => findUser(db, params.id))
  .listen({ hostname: '127.0.0.1', port: Number(process.env.PORT) })
