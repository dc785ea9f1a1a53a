import { type Auth, bearerAuth } from '@kiln/shared/http'
import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import type { Role } from '../../infrastructure/database/schema.ts'

const Message = Type.Object({ message: Type.String() })
const Identity = Type.Object({ user_id: Type.Integer() })

/** Begin here: edit these, then make a module of your own beside them. */
export function exampleRoutes({ auth }: { auth: Auth<Role> }) {
  return new Elysia({ name: 'example', detail: { tags: ['example'] } })
    .get('/api/my-endpoint', () => ({ message: 'Hello from my service!' }), { response: Message })
    .use(auth.authenticated)
    .guard({ detail: { security: bearerAuth } })
    .get('/protected', ({ principal }) => ({ user_id: principal.userId }), { response: Identity })
    .get('/admin-only', () => ({ message: 'Admin access granted' }), {
      beforeHandle: auth.requireRole('admin'),
      response: Message,
    })
}
