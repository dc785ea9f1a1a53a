import { IntegerText, Nullable, OneOf } from '@kiln/shared/schema'
import { type Static, Type } from '@sinclair/typebox'
import { roles } from '../../infrastructure/database/schema.ts'

/** Neither control characters nor blanks at the ends. Linear, also on a megabyte that `maxLength` refuses anyway. */
const namePattern = '^[^\\s\\x00-\\x1f\\x7f]([^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f])?$'
const FirstName = Type.String({ minLength: 2, maxLength: 50, pattern: namePattern })
const LastName = Type.String({ minLength: 1, maxLength: 50, pattern: namePattern })
const Email = Type.String({ maxLength: 254, pattern: '^[^@\\s]+@[^@\\s.]+(\\.[^@\\s.]+)+$' })
const Phone = Type.String({ minLength: 3, maxLength: 32, pattern: '^\\+?[0-9 ()-]+$' })
const UserId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const TelegramId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const Timestamp = Type.String({ format: 'date-time' })

export const RoleName = OneOf(roles)

/** A user as the API shows it: what is not listed here does not leave. */
export const User = Type.Object({
  id: UserId,
  telegram_id: Nullable(TelegramId),
  first_name: Type.String(),
  last_name: Nullable(Type.String()),
  email: Nullable(Type.String()),
  phone: Nullable(Type.String()),
  role: RoleName,
  verified_at: Nullable(Timestamp),
  created_at: Timestamp,
  updated_at: Timestamp,
  deactivated_at: Nullable(Timestamp),
})
export type User = Static<typeof User>

export const UserList = Type.Object({ items: Type.Array(User), next_cursor: Nullable(Type.String()) })
export type UserList = Static<typeof UserList>

export const CreateUser = Type.Object({
  first_name: FirstName,
  last_name: Type.Optional(Nullable(LastName)),
  email: Type.Optional(Nullable(Email)),
  phone: Type.Optional(Nullable(Phone)),
  telegram_id: Type.Optional(Nullable(TelegramId)),
  role: Type.Optional(RoleName),
})
export type CreateUser = Static<typeof CreateUser>

export const UpdateUser = Type.Partial(CreateUser, { minProperties: 1 })
export type UpdateUser = Static<typeof UpdateUser>

export const UserParams = Type.Object({ id: IntegerText({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) })

export const ListUsers = Type.Object({
  role: Type.Optional(RoleName),
  limit: IntegerText({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(Type.String({ maxLength: 100 })),
})
export type ListUsers = Static<typeof ListUsers>
