import type { Kysely } from 'kysely'
import { type Migration, type MigrationInfo, Migrator } from 'kysely/migration'
import * as subscriptions from './0001-subscriptions.ts'
import * as replays from './0002-replays.ts'
import * as outbox from './0003-outbox.ts'
import * as inbox from './0004-inbox.ts'
import * as idempotencyKeys from './0005-idempotency-keys.ts'

/** Every migration of this package by the name it has in the database for ever; they only go up. */
export const sharedMigrations: Readonly<Record<string, Migration>> = {
  '0001-subscriptions': subscriptions,
  '0002-replays': replays,
  '0003-outbox': outbox,
  '0004-inbox': inbox,
  '0005-idempotency-keys': idempotencyKeys,
}

/** Kept apart from the service's own, which number theirs as they like and may take them back. */
function migrator<Schema>(db: Kysely<Schema>): Migrator {
  return new Migrator({
    db,
    provider: { getMigrations: async () => sharedMigrations },
    migrationTableName: 'kysely_migration_shared',
    migrationLockTableName: 'kysely_migration_shared_lock',
  })
}

/**
 * Brings the tables of this package up to date, in one transaction; processes that do so at once wait for each other.
 *
 * @returns the names of what was applied.
 */
export async function migrateShared<Schema>(db: Kysely<Schema>): Promise<readonly string[]> {
  const { error, results = [] } = await migrator(db).migrateToLatest()
  if (error) throw error
  return results.map(({ migrationName }) => migrationName)
}

/** Every migration of this package and when it was applied. */
export async function sharedMigrationStatus<Schema>(db: Kysely<Schema>): Promise<readonly MigrationInfo[]> {
  return await migrator(db).getMigrations()
}
