import { Elysia } from 'elysia'

/** Elysia without logs, metrics, ids, tokens or schemas. */
new Elysia()
  .get('/api/my-endpoint', () => ({ message: 'Hello from my service!' }))
  .get('/protected', () => ({ user_id: 1 }))
  .listen({ hostname: '127.0.0.1', port: Number(process.env.PORT) })
