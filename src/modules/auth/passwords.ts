import type { Principal } from '@kiln/shared/http'
import {
  createSecretToken,
  hashSecretToken,
  type PasswordHasher,
  weaknessOfPassword,
} from '@kiln/shared/security'
import type { Transaction } from 'kysely'
import { ServiceError } from '../../errors.ts'
import { type Actor, recordAudit } from '../../infrastructure/audit-trail.ts'
import type { Database } from '../../infrastructure/database/connection.ts'
import type { Role, Schema } from '../../infrastructure/database/schema.ts'
import { revokeLogins } from '../../infrastructure/ended-logins.ts'
import { lockUser } from './logins.ts'
import type { ChangePassword, PasswordToken, SetPassword } from './schemas.ts'

interface Dependencies {
  readonly db: Database
  readonly passwords: PasswordHasher
}

const passwordTokenTtlMs = 24 * 60 * 60 * 1000

/**
 * Changes one's own password and ends all of one's logins.
 *
 * @throws {ServiceError} `PASSWORD_TOO_WEAK`; `PASSWORD_INVALID` when the old one is wrong.
 */
export async function changePassword(
  { db, passwords }: Dependencies,
  by: Principal<Role>,
  { old_password, new_password }: ChangePassword,
): Promise<void> {
  refuseWeak(new_password)
  const user = await db
    .selectFrom('users')
    .select('password_hash')
    .where('id', '=', by.userId)
    .where('deactivated_at', 'is', null)
    .executeTakeFirst()
  if (!(await passwords.verify(old_password, user?.password_hash ?? null))) throw wrongPassword()
  const hash = await passwords.hash(new_password)
  await db.transaction().execute(async (trx) => {
    const current = await lockUser(trx, by.userId)
    if (current?.password_hash !== user?.password_hash || current?.deactivated_at !== null)
      throw wrongPassword()
    await replacePassword(trx, { actor: by, userId: by.userId, hash })
  })
}

/**
 * A token with which somebody sets their password, once, within 24 hours. The newest replaces those before it.
 *
 * @throws {ServiceError} `USER_NOT_FOUND`, `USER_DEACTIVATED`.
 */
export async function issuePasswordToken(
  { db }: Pick<Dependencies, 'db'>,
  by: Actor,
  userId: number,
): Promise<PasswordToken> {
  const { token, hash } = createSecretToken()
  const expiresAt = new Date(Date.now() + passwordTokenTtlMs)
  await db.transaction().execute(async (trx) => {
    const user = await trx
      .selectFrom('users')
      .select('deactivated_at')
      .where('id', '=', userId)
      .forShare()
      .executeTakeFirst()
    if (user === undefined) throw new ServiceError('USER_NOT_FOUND', 'There is no user with this id')
    if (user.deactivated_at !== null) throw new ServiceError('USER_DEACTIVATED', 'The user is deactivated')
    const row = { token_hash: hash, created_at: new Date(), expires_at: expiresAt }
    await trx
      .insertInto('password_tokens')
      .values({ user_id: userId, ...row })
      .onConflict((conflict) =>
        conflict.column('user_id').doUpdateSet({ token_hash: hash, expires_at: expiresAt }),
      )
      .execute()
    await recordAudit(trx, {
      actor: by,
      action: 'user.password_token_issued',
      entity: 'user',
      entityId: userId,
    })
  })
  return { token, expires_at: expiresAt.toISOString() }
}

/**
 * Sets a password with a token from `issuePasswordToken`, and ends all logins of the user.
 *
 * @throws {ServiceError} `PASSWORD_TOO_WEAK` (the token can be used again); `PASSWORD_TOKEN_INVALID`.
 */
export async function setPassword(
  { db, passwords }: Dependencies,
  { token, new_password }: SetPassword,
): Promise<void> {
  const tokenHash = hashSecretToken(token)
  refuseWeak(new_password)
  // Looked up before the costly hash: a guessed token is not worth one.
  const known = await db
    .selectFrom('password_tokens')
    .select('user_id')
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst()
  if (known === undefined) throw invalidToken()

  const hash = await passwords.hash(new_password)
  await db.transaction().execute(async (trx) => {
    const user = await lockUser(trx, known.user_id)
    const used = await trx
      .deleteFrom('password_tokens')
      .where('token_hash', '=', tokenHash)
      .where('expires_at', '>', new Date())
      .returning('user_id')
      .executeTakeFirst()
    if (used === undefined || user === undefined) throw invalidToken()
    await replacePassword(trx, { actor: { userId: user.id, role: user.role }, userId: user.id, hash })
  })
}

async function replacePassword(
  trx: Transaction<Schema>,
  { actor, userId, hash }: { actor: Actor; userId: number; hash: string },
): Promise<void> {
  const changes = { password_hash: hash, updated_at: new Date() }
  await trx.updateTable('users').set(changes).where('id', '=', userId).execute()
  await trx.deleteFrom('password_tokens').where('user_id', '=', userId).execute()
  await revokeLogins(trx, 'user_id', userId)
  await recordAudit(trx, { actor, action: 'user.password_changed', entity: 'user', entityId: userId })
}

function refuseWeak(password: string): void {
  const message = weaknessOfPassword(password)
  if (message === undefined) return
  throw new ServiceError('PASSWORD_TOO_WEAK', 'The new password is too weak', {
    errors: [{ path: '/new_password', message }],
  })
}

function wrongPassword(): ServiceError {
  return new ServiceError('PASSWORD_INVALID', 'The old password is wrong')
}

function invalidToken(): ServiceError {
  return new ServiceError('PASSWORD_TOKEN_INVALID', 'The token is not valid; ask for a new one')
}
