import { Elysia } from 'elysia'

/** Elysia without logs, metrics, ids or schemas. */
new Elysia()
  .get('/api/my-endpoint', () => ({ message: 'Hello from my service!' }))
  .listen({ hostname: '127.0.0.1', port: Number(process.env.PORT) })
