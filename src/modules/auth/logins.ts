import { type Auth, type Principal, SharedError } from '@kiln/shared/http'
import { createSecretToken, hashSecretToken, type PasswordHasher } from '@kiln/shared/security'
import type { OperandValueExpressionOrList, Selectable, Transaction } from 'kysely'
import { ServiceError } from '../../errors.ts'
import { recordAudit } from '../../infrastructure/audit-trail.ts'
import type { Database } from '../../infrastructure/database/connection.ts'
import type { Role, Schema, UserTable } from '../../infrastructure/database/schema.ts'
import { revokeLogins } from '../../infrastructure/ended-logins.ts'
import type { Login, Me, Tokens } from './schemas.ts'

export interface LoginDependencies {
  readonly db: Database
  readonly auth: Pick<Auth<Role>, 'issueAccessToken' | 'ttlSeconds'>
  readonly passwords: PasswordHasher
  readonly refreshTokenTtlSeconds: number
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/**
 * Begins a family of tokens. Takes the same time whether the e-mail is known or not.
 *
 * @throws {ServiceError} `CREDENTIALS_INVALID` for an unknown e-mail, a wrong password, a deactivated user alike.
 */
export async function logIn(dependencies: LoginDependencies, { email, password }: Login): Promise<Tokens> {
  const { db, passwords } = dependencies
  const user = await db
    .selectFrom('users')
    .select(['id', 'password_hash'])
    .where(({ eb, fn, val }) => eb(fn('lower', ['email']), '=', fn('lower', [val(email)])))
    .where('deactivated_at', 'is', null)
    .executeTakeFirst()

  if (!(await passwords.verify(password, user?.password_hash ?? null)) || user === undefined) {
    throw wrongCredentials()
  }
  return await db.transaction().execute(async (trx) => {
    const current = await lockUser(trx, user.id)
    // The check takes its time: the password may have been changed meanwhile.
    if (current?.password_hash !== user.password_hash || current.deactivated_at !== null)
      throw wrongCredentials()
    const principal = { userId: current.id, role: current.role }
    const now = new Date(nowMs(dependencies))
    await trx
      .deleteFrom('refresh_tokens')
      .where('user_id', '=', user.id)
      .where('expires_at', '<', now)
      .execute()
    await recordAudit(trx, { actor: principal, action: 'auth.logged_in', entity: 'user', entityId: user.id })
    return await issueTokens(trx, dependencies, current, crypto.randomUUID())
  })
}

/**
 * Exchanges a refresh token, once, for new tokens.
 *
 * @throws {ServiceError} `REFRESH_TOKEN_INVALID`; `REFRESH_TOKEN_REUSED` for one that was exchanged before: either it
 * or its successor is in wrong hands, so the whole family is revoked.
 */
export async function refresh(dependencies: LoginDependencies, refreshToken: string): Promise<Tokens> {
  const hash = hashSecretToken(refreshToken)
  const outcome = await dependencies.db.transaction().execute(async (trx) => {
    const user = await lockOwner(trx, hash)
    if (user === undefined || user.deactivated_at !== null) return 'invalid'
    const now = new Date(nowMs(dependencies))
    const exchanged = await trx
      .updateTable('refresh_tokens')
      .set({ rotated_at: now })
      .where('token_hash', '=', hash)
      .where('rotated_at', 'is', null)
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', now)
      .returning('family_id')
      .executeTakeFirst()
    if (exchanged === undefined) return await revokeIfReused(trx, hash)
    return await issueTokens(trx, dependencies, user, exchanged.family_id)
  })
  // Thrown outside of the transaction: the revocation is to be kept.
  if (outcome === 'invalid') throw new ServiceError('REFRESH_TOKEN_INVALID', 'The refresh token is not valid')
  if (outcome === 'reused') {
    throw new ServiceError('REFRESH_TOKEN_REUSED', 'The refresh token was used before; log in again')
  }
  return outcome
}

/** Ends the login that a refresh token belongs to. Says nothing of a token that does not exist. */
export async function logOut({ db }: Pick<LoginDependencies, 'db'>, refreshToken: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const hash = hashSecretToken(refreshToken)
    const user = await lockOwner(trx, hash)
    const token = await findToken(trx, hash)
    if (user === undefined || token === undefined) return
    const ended = await revokeLogins(trx, 'family_id', token.family_id)
    if (ended === 0n) return
    const actor = { userId: user.id, role: user.role }
    await recordAudit(trx, { actor, action: 'auth.logged_out', entity: 'user', entityId: user.id })
  })
}

/** @throws {SharedError} `UNAUTHENTICATED` once the user is deactivated. */
export async function readMe(
  { db }: Pick<LoginDependencies, 'db'>,
  { userId }: Principal<Role>,
): Promise<Me> {
  const user = await db
    .selectFrom('users')
    .select(['id', 'first_name', 'last_name', 'email', 'role'])
    .where('id', '=', userId)
    .where('deactivated_at', 'is', null)
    .executeTakeFirst()
  if (user === undefined) throw new SharedError('UNAUTHENTICATED', 'The access token is not valid any more')
  return user
}

/**
 * Whoever begins, renews or ends a login holds the user's row, and takes it first: so no login that is being renewed
 * outlives the ending of all, and nobody waits in a circle.
 */
export async function lockUser(
  trx: Transaction<Schema>,
  id: OperandValueExpressionOrList<Schema, 'users', 'id'>,
) {
  return await trx
    .selectFrom('users')
    .select(['id', 'role', 'password_hash', 'deactivated_at', 'token_version'])
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst()
}

async function issueTokens(
  trx: Transaction<Schema>,
  dependencies: LoginDependencies,
  { id, role, token_version }: Pick<Selectable<UserTable>, 'id' | 'role' | 'token_version'>,
  familyId: string,
): Promise<Tokens> {
  const { auth, refreshTokenTtlSeconds } = dependencies
  const { token, hash } = createSecretToken()
  const expiresAt = new Date(nowMs(dependencies) + refreshTokenTtlSeconds * 1000)
  const login = { loginId: familyId, version: token_version }
  const row = { token_hash: hash, family_id: familyId, user_id: id, expires_at: expiresAt }
  await trx.insertInto('refresh_tokens').values(row).execute()
  return {
    access_token: await auth.issueAccessToken({ userId: id, role }, login),
    refresh_token: token,
    token_type: 'Bearer',
    expires_in: auth.ttlSeconds,
  }
}

async function revokeIfReused(trx: Transaction<Schema>, hash: Uint8Array): Promise<'invalid' | 'reused'> {
  const token = await findToken(trx, hash)
  if (!token?.rotated_at) return 'invalid'
  await revokeLogins(trx, 'family_id', token.family_id)
  const entry = { action: 'auth.refresh_token_reused', entity: 'user', entityId: token.user_id } as const
  await recordAudit(trx, { actor: 'anonymous', ...entry })
  return 'reused'
}

async function lockOwner(trx: Transaction<Schema>, hash: Uint8Array) {
  return await lockUser(trx, (query) =>
    query.selectFrom('refresh_tokens').select('refresh_tokens.user_id').where('token_hash', '=', hash),
  )
}

async function findToken(trx: Transaction<Schema>, hash: Uint8Array) {
  return await trx
    .selectFrom('refresh_tokens')
    .select(['family_id', 'user_id', 'rotated_at'])
    .where('token_hash', '=', hash)
    .executeTakeFirst()
}

function nowMs({ now = Date.now }: LoginDependencies): number {
  return now()
}

function wrongCredentials(): ServiceError {
  return new ServiceError('CREDENTIALS_INVALID', 'The e-mail or the password is wrong')
}
