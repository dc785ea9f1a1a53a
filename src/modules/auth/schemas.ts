import { IntegerText, Nullable, OneOf } from '@kiln/shared/schema'
import { passwordBytes } from '@kiln/shared/security'
import { type Static, Type } from '@sinclair/typebox'
import { roles } from '../../infrastructure/database/schema.ts'

const Password = Type.String({ minLength: 1, maxLength: passwordBytes.max })
const SecretTokenText = Type.String({ minLength: 1, maxLength: 100 })

export const Login = Type.Object({ email: Type.String({ minLength: 1, maxLength: 254 }), password: Password })
export type Login = Static<typeof Login>

export const RefreshToken = Type.Object({ refresh_token: SecretTokenText })

export const Tokens = Type.Object({
  access_token: Type.String(),
  refresh_token: Type.String(),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'life of the access token, seconds' }),
})
export type Tokens = Static<typeof Tokens>

export const Me = Type.Object({
  id: Type.Integer(),
  first_name: Type.String(),
  last_name: Nullable(Type.String()),
  email: Nullable(Type.String()),
  role: OneOf(roles),
})
export type Me = Static<typeof Me>

export const ChangePassword = Type.Object({ old_password: Password, new_password: Password })
export type ChangePassword = Static<typeof ChangePassword>

export const SetPassword = Type.Object({ token: SecretTokenText, new_password: Password })
export type SetPassword = Static<typeof SetPassword>

export const PasswordToken = Type.Object({
  token: Type.String({ description: 'for POST /api/auth/password/set, once' }),
  expires_at: Type.String({ format: 'date-time' }),
})
export type PasswordToken = Static<typeof PasswordToken>

export const UserParams = Type.Object({ id: IntegerText({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) })
