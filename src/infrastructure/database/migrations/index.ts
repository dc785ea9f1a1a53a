import { migrateShared, sharedMigrationStatus } from '@kiln/shared/postgres'
import { type Migration, type MigrationInfo, type MigrationResultSet, Migrator } from 'kysely/migration'
import type { Database } from '../connection.ts'
import * as users from './0001-users.ts'
import * as auditLog from './0002-audit-log.ts'
import * as logins from './0003-logins.ts'
import * as endedLogins from './0004-ended-logins.ts'

/** Every migration by the name it has in the database for ever. A static list: a binary has no folder to scan. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-users': users,
  '0002-audit-log': auditLog,
  '0003-logins': logins,
  '0004-ended-logins': endedLogins,
}

function migrator(db: Database): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => migrations } })
}

/** Applies what is missing, the shared package's first; processes that do so at once wait for each other. */
export async function migrateUp(db: Database): Promise<readonly string[]> {
  const shared = await migrateShared(db)
  return [...shared.map(sharedName), ...applied(await migrator(db).migrateToLatest())]
}

/** Takes the service's newest migration back; the shared package's only go up. */
export async function migrateDown(db: Database): Promise<readonly string[]> {
  return applied(await migrator(db).migrateDown())
}

/** Every migration and when it was applied, the shared package's first. */
export async function migrationStatus(
  db: Database,
): Promise<readonly Pick<MigrationInfo, 'name' | 'executedAt'>[]> {
  const shared = await sharedMigrationStatus(db)
  return [
    ...shared.map((info) => ({ ...info, name: sharedName(info.name) })),
    ...(await migrator(db).getMigrations()),
  ]
}

function sharedName(name: string): string {
  return `shared/${name}`
}

function applied({ error, results = [] }: MigrationResultSet): readonly string[] {
  if (error) throw error
  return results.map(({ migrationName }) => migrationName)
}
