import { type Migration, type MigrationInfo, type MigrationResultSet, Migrator } from 'kysely/migration'
import type { Database } from '../connection.ts'
import * as users from './0001-users.ts'
import * as auditLog from './0002-audit-log.ts'
import * as logins from './0003-logins.ts'
import * as subscriptions from './0004-subscriptions.ts'

/** Every migration by the name it has in the database for ever. A static list: a binary has no folder to scan. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-users': users,
  '0002-audit-log': auditLog,
  '0003-logins': logins,
  '0004-subscriptions': subscriptions,
}

function migrator(db: Database): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => migrations } })
}

/** Applies what is missing, in one transaction; processes that do so at once wait for each other. */
export async function migrateUp(db: Database): Promise<readonly string[]> {
  return applied(await migrator(db).migrateToLatest())
}

/** Takes the newest migration back. */
export async function migrateDown(db: Database): Promise<readonly string[]> {
  return applied(await migrator(db).migrateDown())
}

/** Every migration and when it was applied. */
export async function migrationStatus(db: Database): Promise<readonly MigrationInfo[]> {
  return await migrator(db).getMigrations()
}

function applied({ error, results = [] }: MigrationResultSet): readonly string[] {
  if (error) throw error
  return results.map(({ migrationName }) => migrationName)
}
