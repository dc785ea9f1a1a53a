import { createPasswordHasher, createSecretToken, weaknessOfPassword } from '@kiln/shared/security'
import { Value } from '@sinclair/typebox/value'
import { ServiceError } from '../errors.ts'
import type { Role } from '../infrastructure/database/schema.ts'
import { CreateUser, type User } from '../modules/users/schemas.ts'
import { createUser, type UserDependencies } from '../modules/users/users.ts'

export interface CreateUserOptions {
  readonly email: string
  readonly role: Role
  readonly firstName: string
  readonly passwordStdin?: boolean
  readonly ifMissing?: boolean
}

export interface CreatedUser {
  /** Undefined where the e-mail was taken and `ifMissing` allows that. */
  readonly user?: User
  /** The password, where it was made here. */
  readonly password?: string
}

/** @throws {ServiceError} `PASSWORD_TOO_WEAK`, `EMAIL_TAKEN`, or `FIELD_INVALID` for an e-mail or name that is none. */
export async function createUserWithPassword(
  dependencies: UserDependencies,
  options: CreateUserOptions,
  readStdin: () => Promise<string>,
): Promise<CreatedUser> {
  const input: CreateUser = { first_name: options.firstName, email: options.email, role: options.role }
  const wrong = Value.Errors(CreateUser, input).First()
  if (wrong) throw new ServiceError('FIELD_INVALID', `${wrong.path.slice(1)}: ${wrong.message}`)

  const given = options.passwordStdin ? (await readStdin()).replace(/\r?\n$/, '') : undefined
  const password = given ?? createSecretToken().token
  const weakness = weaknessOfPassword(password)
  if (weakness !== undefined) throw new ServiceError('PASSWORD_TOO_WEAK', `The password ${weakness}`)

  try {
    const password_hash = await createPasswordHasher().hash(password)
    const user = await createUser(dependencies, 'command-line', { ...input, password_hash })
    return given === undefined ? { user, password } : { user }
  } catch (error) {
    if (options.ifMissing && error instanceof ServiceError && error.code === 'EMAIL_TAKEN') return {}
    throw error
  }
}
