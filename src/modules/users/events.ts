import type { PublishData } from '@kiln/shared'
import type { UserCreated, UserUpdated } from '@kiln/shared/contracts/user'
import type { User } from './schemas.ts'

export function createdData(user: User): PublishData<typeof UserCreated> {
  return {
    user_id: user.id,
    ...(user.telegram_id !== null && { telegram_id: user.telegram_id }),
    full_name: user.last_name === null ? user.first_name : `${user.first_name} ${user.last_name}`,
    role: user.role,
    created_at: user.created_at,
    metadata: {},
  }
}

/** Of personal data only what the contract names; the rest is read by who may. */
export function updatedData(user: User, changed: string[]): PublishData<typeof UserUpdated> {
  return {
    user_id: user.id,
    changed,
    ...(changed.includes('first_name') && { first_name: user.first_name }),
    ...(changed.includes('last_name') && { last_name: user.last_name ?? '' }),
    ...(changed.includes('role') && { role: user.role }),
    updated_at: user.updated_at,
  }
}
