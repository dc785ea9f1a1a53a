import { lookup } from '@kiln/shared/postgres'
import type { EndedLoginsOptions } from '@kiln/shared/security'
import { endsAccess } from '@kiln/shared/service'
import { sql, type Transaction } from 'kysely'
import type { Database } from './database/connection.ts'
import type { Schema } from './database/schema.ts'

const ago = (seconds: number) => sql<Date>`now() - make_interval(secs => ${seconds})`

const endedUsers = lookup((db: Database, seconds: number) =>
  db
    .selectFrom('users')
    .select(['id', 'token_version as version'])
    .where('tokens_ended_at', '>', ago(seconds)),
)

/** Of each login one row: the token that was the newest. */
const endedLogins = lookup((db: Database, seconds: number) =>
  db
    .selectFrom('refresh_tokens')
    .select('family_id as id')
    .where('revoked_at', '>', ago(seconds))
    .where('rotated_at', 'is', null),
)

/** Whose access the database has ended of late. */
export function readEndedLogins(db: Database): EndedLoginsOptions['read'] {
  return async (seconds) => {
    const [users, logins] = await Promise.all([endedUsers(db, seconds), endedLogins(db, seconds)])
    return { users, logins }
  }
}

/** Ends one login, or every login of a user. @returns how many tokens that were good are so no more. */
export async function revokeLogins(
  trx: Transaction<Schema>,
  column: 'family_id' | 'user_id',
  id: string | number,
): Promise<bigint> {
  endsAccess()
  const { numUpdatedRows } = await trx
    .updateTable('refresh_tokens')
    // The database's clock: the one that `readEndedLogins` goes by.
    .set({ revoked_at: sql`clock_timestamp()` })
    .where(column, '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows
}
