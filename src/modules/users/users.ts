import type { OutboxPublisher } from '@kiln/shared'
import { UserCreated, UserUpdated, UserVerified } from '@kiln/shared/contracts/user'
import { decodeCursor, encodeCursor, type Principal } from '@kiln/shared/http'
import { compiled, lookup, violatedConstraint } from '@kiln/shared/postgres'
import { endsAccess } from '@kiln/shared/service'
import type { Insertable, Selectable, Transaction } from 'kysely'
import { ServiceError } from '../../errors.ts'
import { type Actor, recordAudit } from '../../infrastructure/audit-trail.ts'
import type { Database } from '../../infrastructure/database/connection.ts'
import type { Role, Schema, UserTable } from '../../infrastructure/database/schema.ts'
import { revokeLogins } from '../../infrastructure/ended-logins.ts'
import { createdData, updatedData } from './events.ts'
import { assertMayManage, assertMayRead, assertMayUpdate } from './policy.ts'
import type { CreateUser, ListUsers, UpdateUser, User, UserList } from './schemas.ts'

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
] as const satisfies readonly (keyof UserTable)[]

const findById = lookup((db: Database, id: number) =>
  db.selectFrom('users').select(columns).where('id', '=', id),
)

const absent = { telegram_id: null, last_name: null, email: null, phone: null, password_hash: null }

const insert = compiled((db: Database, row: Insertable<UserTable>) =>
  db.insertInto('users').values(row).returning(columns),
)

type UserRow = Pick<Selectable<UserTable>, (typeof columns)[number]>

/** Each change, its row in the audit trail and its event are kept together, or not at all. */
export interface UserDependencies {
  readonly db: Database
  readonly events: OutboxPublisher<Transaction<Schema>>
}

/** @throws {ServiceError} `EMAIL_TAKEN` or `TELEGRAM_ID_TAKEN`. */
export async function createUser(
  { db, events }: UserDependencies,
  actor: Actor,
  { role = 'applicant', ...input }: CreateUser & { password_hash?: string },
): Promise<User> {
  return await db.transaction().execute(async (trx) => {
    const [row] = await insert(trx, { ...absent, ...input, role }).catch(refuseTaken)
    const user = asUser(row as UserRow)
    const entry = { actor, action: 'user.created', entity: 'user', entityId: user.id, after: user }
    await Promise.all([recordAudit(trx, entry), events.publish(UserCreated, createdData(user), { trx })])
    return user
  })
}

/** @throws {ServiceError} `USER_NOT_FOUND`. */
export async function getUser(db: Database, id: number): Promise<User> {
  const [row] = await findById(db, id)
  if (row === undefined) throw notFound()
  return asUser(row)
}

/** Users in the order they were made; `next_cursor` is null at the end. */
export async function listUsers(db: Database, { role, limit, cursor }: ListUsers): Promise<UserList> {
  let query = db
    .selectFrom('users')
    .select(columns)
    .orderBy('id')
    .limit(limit + 1)
  if (role !== undefined) query = query.where('role', '=', role)
  if (cursor !== undefined) query = query.where('id', '>', decodeCursor(cursor, 1)[0] as number)

  const rows = await query.execute()
  const items = rows.slice(0, limit).map(asUser)
  const last = items.at(-1)
  return { items, next_cursor: rows.length > limit && last ? encodeCursor([last.id]) : null }
}

/** @throws {ServiceError} `USER_NOT_FOUND`, `USER_DEACTIVATED`, `EMAIL_TAKEN`, `TELEGRAM_ID_TAKEN`; or `FORBIDDEN`. */
export async function updateUser(
  { db, events }: UserDependencies,
  by: Principal<Role>,
  id: number,
  changes: UpdateUser,
): Promise<User> {
  assertMayRead(by, id)
  return await db.transaction().execute(async (trx) => {
    const before = await lockUser(trx, id)
    assertMayUpdate(by, before, changes)
    if (before.deactivated_at !== null) throw new ServiceError('USER_DEACTIVATED', 'The user is deactivated')
    if (changes.role !== undefined) endsAccess()
    const user = await change(trx, { by, action: 'user.updated', before, changes })
    await events.publish(UserUpdated, updatedData(user, Object.keys(changes)), { trx })
    return user
  })
}

/** Marks the user as verified; once is enough. @throws {ServiceError} `USER_NOT_FOUND`, `USER_DEACTIVATED`. */
export async function verifyUser(
  { db, events }: UserDependencies,
  by: Principal<Role>,
  id: number,
): Promise<User> {
  return await db.transaction().execute(async (trx) => {
    const before = await lockUser(trx, id)
    assertMayManage(by, before)
    if (before.deactivated_at !== null) throw new ServiceError('USER_DEACTIVATED', 'The user is deactivated')
    if (before.verified_at !== null) return before
    const verified_at = new Date()
    const user = await change(trx, { by, action: 'user.verified', before, changes: { verified_at } })
    const data = { user_id: id, verified_by: by.userId, verified_at: verified_at.toISOString() }
    await events.publish(UserVerified, data, { trx })
    return user
  })
}

/** Ends the user's logins and forbids new ones; once is enough. @throws {ServiceError} `CANNOT_DEACTIVATE_SELF`. */
export async function deactivateUser(
  { db, events }: UserDependencies,
  by: Principal<Role>,
  id: number,
): Promise<User> {
  if (by.userId === id)
    throw new ServiceError('CANNOT_DEACTIVATE_SELF', 'Ask another admin to deactivate you')
  return await db.transaction().execute(async (trx) => {
    const before = await lockUser(trx, id)
    assertMayManage(by, before)
    if (before.deactivated_at !== null) return before
    await revokeLogins(trx, 'user_id', id)
    await trx.deleteFrom('password_tokens').where('user_id', '=', id).execute()
    const changes = { deactivated_at: new Date() }
    const user = await change(trx, { by, action: 'user.deactivated', before, changes })
    await events.publish(UserUpdated, updatedData(user, Object.keys(changes)), { trx })
    return user
  })
}

type Changes = UpdateUser & { verified_at?: Date; deactivated_at?: Date }

async function change(
  trx: Transaction<Schema>,
  { by, action, before, changes }: { by: Actor; action: string; before: User; changes: Changes },
): Promise<User> {
  const row = await trx
    .updateTable('users')
    .set({ ...changes, updated_at: new Date() })
    .where('id', '=', before.id)
    .returning(columns)
    .executeTakeFirstOrThrow()
    .catch(refuseTaken)
  const after = asUser(row)
  const fields = Object.keys(changes) as (keyof User)[]
  const entry = { before: pick(before, fields), after: pick(after, fields) }
  await recordAudit(trx, { actor: by, action, entity: 'user', entityId: before.id, ...entry })
  return after
}

async function lockUser(trx: Transaction<Schema>, id: number): Promise<User> {
  const row = await trx
    .selectFrom('users')
    .select(columns)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw notFound()
  return asUser(row)
}

function asUser(row: UserRow): User {
  return {
    ...row,
    verified_at: row.verified_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    deactivated_at: row.deactivated_at?.toISOString() ?? null,
  }
}

function pick(user: User, fields: readonly (keyof User)[]): Partial<User> {
  return Object.fromEntries(fields.map((field) => [field, user[field]]))
}

function notFound(): ServiceError {
  return new ServiceError('USER_NOT_FOUND', 'There is no user with this id')
}

function refuseTaken(cause: unknown): never {
  const constraint = violatedConstraint(cause)
  if (constraint === 'users_email_key')
    throw new ServiceError('EMAIL_TAKEN', 'Another user has this e-mail', { cause })
  if (constraint === 'users_telegram_id_key') {
    throw new ServiceError('TELEGRAM_ID_TAKEN', 'Another user has this Telegram id', { cause })
  }
  throw cause
}
