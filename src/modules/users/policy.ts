import type { Principal } from '@kiln/shared/http'
import { SharedError } from '@kiln/shared/http'
import type { Role } from '../../infrastructure/database/schema.ts'
import type { UpdateUser, User } from './schemas.ts'

/** A manager looks after these; who looks after managers is an admin. */
const managedRoles: readonly Role[] = ['applicant', 'executor']

/** What users may change about themselves. */
const ownFields: readonly string[] = ['first_name', 'last_name', 'phone'] satisfies (keyof UpdateUser)[]

/** @throws {SharedError} `FORBIDDEN`, unless it is the user's own record or its reader looks after users. */
export function assertMayRead({ userId, role }: Principal<Role>, id: number): void {
  if (userId !== id && role !== 'manager' && role !== 'admin') throw forbidden()
}

/** @throws {SharedError} `FORBIDDEN`: a manager cannot make anybody as powerful as a manager. */
export function assertMayGiveRole({ role }: Principal<Role>, given: Role): void {
  if (role !== 'admin' && !managedRoles.includes(given)) throw forbidden()
}

/** @throws {SharedError} `FORBIDDEN`, unless the role looks after users of the other's role. */
export function assertMayManage({ role }: Principal<Role>, user: Pick<User, 'role'>): void {
  if (role !== 'admin' && !(role === 'manager' && managedRoles.includes(user.role))) throw forbidden()
}

/** @throws {SharedError} `FORBIDDEN`: others are managed, and oneself may change only a few fields. */
export function assertMayUpdate(principal: Principal<Role>, user: User, changes: UpdateUser): void {
  const own = principal.userId === user.id && Object.keys(changes).every((field) => ownFields.includes(field))
  if (!own) assertMayManage(principal, user)
  if (changes.role !== undefined && changes.role !== user.role) assertMayGiveRole(principal, changes.role)
}

function forbidden(): SharedError {
  return new SharedError('FORBIDDEN', 'Your role does not allow this')
}
