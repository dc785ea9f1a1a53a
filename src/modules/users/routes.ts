import { type Auth, bearerAuth } from '@kiln/shared/http'
import { Elysia } from 'elysia'
import type { Role } from '../../infrastructure/database/schema.ts'
import { assertMayGiveRole, assertMayRead } from './policy.ts'
import { CreateUser, ListUsers, UpdateUser, User, UserList, UserParams } from './schemas.ts'
import {
  createUser,
  deactivateUser,
  getUser,
  listUsers,
  type UserDependencies,
  updateUser,
  verifyUser,
} from './users.ts'

export function userRoutes(dependencies: UserDependencies & { auth: Auth<Role> }) {
  const { db, auth } = dependencies
  return new Elysia({
    name: 'users',
    prefix: '/api/users',
    detail: { tags: ['users'], security: bearerAuth },
  })
    .use(auth.authenticated)
    .get('', ({ query }) => listUsers(db, query), {
      beforeHandle: auth.requireRole('manager', 'admin'),
      query: ListUsers,
      response: UserList,
      detail: { summary: 'List users' },
    })
    .post(
      '',
      async ({ body, principal, set }) => {
        assertMayGiveRole(principal, body.role ?? 'applicant')
        const user = await createUser(dependencies, principal, body)
        set.status = 201
        set.headers.location = `/api/users/${user.id}`
        return user
      },
      {
        beforeHandle: auth.requireRole('manager', 'admin'),
        body: CreateUser,
        response: { 201: User },
        detail: { summary: 'Create a user' },
      },
    )
    .get(
      '/:id',
      ({ params, principal }) => {
        assertMayRead(principal, params.id)
        return getUser(db, params.id)
      },
      { params: UserParams, response: User, detail: { summary: 'Read a user' } },
    )
    .patch('/:id', ({ params, body, principal }) => updateUser(dependencies, principal, params.id, body), {
      params: UserParams,
      body: UpdateUser,
      response: User,
      detail: { summary: 'Update a user' },
    })
    .post('/:id/verify', ({ params, principal }) => verifyUser(dependencies, principal, params.id), {
      beforeHandle: auth.requireRole('manager', 'admin'),
      params: UserParams,
      response: User,
      detail: { summary: 'Mark a user as verified' },
    })
    .delete('/:id', ({ params, principal }) => deactivateUser(dependencies, principal, params.id), {
      beforeHandle: auth.requireRole('admin'),
      params: UserParams,
      response: User,
      detail: { summary: 'Deactivate a user and end its logins' },
    })
}
