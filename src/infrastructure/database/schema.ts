import type { ColumnType, Generated, GeneratedAlways } from 'kysely'

/** From the least to the most powerful. */
export const roles = ['applicant', 'executor', 'manager', 'admin'] as const
export type Role = (typeof roles)[number]

/** Who did what is in the audit trail: a person, the service itself, or somebody at its command line. */
export const actorTypes = ['user', 'anonymous', 'system', 'command-line'] as const
export type ActorType = (typeof actorTypes)[number]

/** Set by the database, never by an update. */
type CreatedAt = ColumnType<Date, Date | undefined, never>

export interface UserTable {
  id: GeneratedAlways<number>
  telegram_id: number | null
  first_name: string
  last_name: string | null
  email: string | null
  phone: string | null
  role: Role
  verified_at: Date | null
  /** scrypt with its parameters; null for somebody who cannot log in yet. */
  password_hash: string | null
  created_at: CreatedAt
  updated_at: Generated<Date>
  deactivated_at: Date | null
  /** Rises, by a trigger, with each change that ends access tokens: role, password, deactivation. */
  token_version: GeneratedAlways<number>
  tokens_ended_at: GeneratedAlways<Date | null>
}

/** Append-only: a trigger refuses anything but an insert. */
export interface AuditLogTable {
  id: GeneratedAlways<number>
  occurred_at: CreatedAt
  actor_type: ActorType
  actor_id: number | null
  /** What was done, past tense: `user.created`. */
  action: string
  entity: string
  entity_id: string
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
  correlation_id: string | null
  trace_id: string | null
  address: string | null
}

/** One row for each token of a login; all tokens that came from one login are its family. */
export interface RefreshTokenTable {
  token_hash: Uint8Array
  family_id: string
  user_id: number
  created_at: CreatedAt
  expires_at: Date
  rotated_at: Date | null
  revoked_at: Date | null
}

/** At most one open invitation to set a password for each user. */
export interface PasswordTokenTable {
  user_id: number
  token_hash: Uint8Array
  created_at: CreatedAt
  expires_at: Date
}

export interface Schema {
  users: UserTable
  audit_log: AuditLogTable
  refresh_tokens: RefreshTokenTable
  password_tokens: PasswordTokenTable
}
