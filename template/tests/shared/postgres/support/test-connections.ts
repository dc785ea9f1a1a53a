import { afterAll, afterEach, beforeAll } from 'bun:test'
import { connectDatabase, type DatabaseOptions } from '@kiln/shared/postgres'
import type { Kysely } from 'kysely'
import { createTestDatabase, type TestDatabase } from '../../../../../tests/support/database.ts'

/**
 * A database for the tests of one file, dropped after them.
 *
 * @returns how to connect to it, with one connection and short limits; what a test opened ends with that test.
 */
export function testConnections<Schema>(applicationName: string) {
  let database: TestDatabase | undefined
  const opened: Kysely<Schema>[] = []
  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((db) => db.destroy()))
  })
  afterAll(() => database?.drop())

  return (options: Partial<DatabaseOptions> = {}): Kysely<Schema> => {
    const db = connectDatabase<Schema>({
      url: database?.url ?? '',
      applicationName,
      poolMax: 1,
      connectTimeoutMs: 2000,
      statementTimeoutMs: 5000,
      prepared: true,
      ...options,
    })
    opened.push(db)
    return db
  }
}
