import { type Auth, bearerAuth, type Limits } from '@kiln/shared/http'
import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import type { Role } from '../../infrastructure/database/schema.ts'
import { type LoginDependencies, logIn, logOut, readMe, refresh } from './logins.ts'
import { changePassword, issuePasswordToken, setPassword } from './passwords.ts'
import {
  ChangePassword,
  Login,
  Me,
  PasswordToken,
  RefreshToken,
  SetPassword,
  Tokens,
  UserParams,
} from './schemas.ts'

const NoContent = { 204: Type.Void() }

export function authRoutes(dependencies: LoginDependencies & { auth: Auth<Role>; limits: Limits }) {
  const { auth, limits } = dependencies
  return new Elysia({ name: 'auth', prefix: '/api', detail: { tags: ['auth'] } })
    .post('/auth/login', ({ body }) => limits.logins.attempt(body.email, () => logIn(dependencies, body)), {
      body: Login,
      response: Tokens,
      detail: { summary: 'Log in' },
    })
    .post('/auth/refresh', ({ body }) => refresh(dependencies, body.refresh_token), {
      body: RefreshToken,
      response: Tokens,
      detail: { summary: 'Exchange a refresh token, once' },
    })
    .post(
      '/auth/logout',
      async ({ body, status }) => {
        await logOut(dependencies, body.refresh_token)
        return status(204, undefined)
      },
      { body: RefreshToken, response: NoContent, detail: { summary: 'Log out' } },
    )
    .post(
      '/auth/password/set',
      async ({ body, status }) => {
        await setPassword(dependencies, body)
        return status(204, undefined)
      },
      {
        body: SetPassword,
        response: NoContent,
        detail: { summary: 'Set a password with a token from an admin' },
      },
    )
    .use(auth.authenticated)
    .guard({ detail: { security: bearerAuth } })
    .get('/auth/me', ({ principal }) => readMe(dependencies, principal), {
      response: Me,
      detail: { summary: 'Who am I?' },
    })
    .post(
      '/auth/password',
      async ({ body, principal, status }) => {
        await changePassword(dependencies, principal, body)
        return status(204, undefined)
      },
      {
        beforeHandle: limits.limit({ policy: 'password-change', points: 10, perSeconds: 900 }),
        body: ChangePassword,
        response: NoContent,
        detail: { summary: 'Change the password; ends all logins' },
      },
    )
    .post(
      '/users/:id/password-token',
      async ({ params, principal, status }) =>
        status(201, await issuePasswordToken(dependencies, principal, params.id)),
      {
        beforeHandle: auth.requireRole('admin'),
        params: UserParams,
        response: { 201: PasswordToken },
        detail: { summary: 'Make a token with which a user sets a password' },
      },
    )
}
