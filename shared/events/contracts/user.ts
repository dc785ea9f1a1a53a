import { Type } from '@sinclair/typebox'
import { defineEvent } from '../event.ts'
import { PersonName, Role, Timestamp, UserId } from './fields.ts'

const Metadata = Type.Record(Type.String(), Type.Unknown(), {
  description: 'whatever the publisher knows besides',
})

export const UserCreatedV1 = Type.Object({
  user_id: UserId,
  telegram_id: Type.Optional(Type.Integer()),
  first_name: PersonName,
  last_name: Type.Optional(Type.String({ maxLength: 50 })),
  role: Role,
  created_at: Type.Optional(Timestamp),
})

export const UserCreatedV2 = Type.Object({
  user_id: UserId,
  telegram_id: Type.Optional(Type.Integer()),
  full_name: Type.String({ minLength: 2, maxLength: 101 }),
  role: Role,
  created_at: Type.Optional(Timestamp),
  metadata: Metadata,
})

/** A user exists. Version 2 joins `first_name` and `last_name` into `full_name` and adds `metadata`. */
export const UserCreated = defineEvent({
  name: 'user.created',
  delivery: 'stream',
  key: (data) => `user/${data.user_id}`,
  versions: { 1: UserCreatedV1, 2: UserCreatedV2 },
  upcast: {
    2: ({ first_name, last_name, ...rest }) => ({
      ...rest,
      full_name: last_name ? `${first_name} ${last_name}` : first_name,
      metadata: {},
    }),
  },
  downcast: {
    1: ({ full_name, metadata: _, ...rest }) => {
      const [first = '', ...others] = full_name.split(' ')
      const first_name = first.length >= 2 ? first.slice(0, 50) : full_name.slice(0, 50)
      const last_name = others.join(' ').slice(0, 50)
      return { ...rest, first_name, ...(last_name && { last_name }) }
    },
  },
  visible: (principal, data) => principal.role === 'admin' || principal.user_id === data.user_id,
})

export const UserUpdatedV1 = Type.Object({
  user_id: UserId,
  changed: Type.Array(Type.String(), { minItems: 1, description: 'names of the changed fields' }),
  first_name: Type.Optional(PersonName),
  last_name: Type.Optional(Type.String({ maxLength: 50 })),
  role: Type.Optional(Role),
  updated_at: Timestamp,
})

/** Something about a user changed; only the changed fields are present. */
export const UserUpdated = defineEvent({
  name: 'user.updated',
  delivery: 'stream',
  key: (data) => `user/${data.user_id}`,
  versions: { 1: UserUpdatedV1 },
  visible: (principal, data) => principal.role === 'admin' || principal.user_id === data.user_id,
})

export const UserVerifiedV1 = Type.Object({
  user_id: UserId,
  verified_by: UserId,
  verified_at: Timestamp,
})

/** Somebody with the right to do so has confirmed who the user is. */
export const UserVerified = defineEvent({
  name: 'user.verified',
  delivery: 'stream',
  key: (data) => `user/${data.user_id}`,
  versions: { 1: UserVerifiedV1 },
  visible: (principal, data) => principal.role === 'admin' || principal.user_id === data.user_id,
})
