import { type CompiledQuery, type Kysely, sql } from 'kysely'
import { connectDatabase } from '../../../../../shared/postgres/database.ts'
import { migrateShared } from '../../../../../shared/postgres/migrations/index.ts'
import { createTestDatabase } from '../../../../../tests/support/database.ts'

/** A service without tables of its own. */
type Tables = Record<string, never>

/** A new database with the tables of the shared package, and who asks it. */
export async function createSharedDatabase({ migrate = true, clients: count = 1 } = {}) {
  const { url, drop } = await createTestDatabase()
  const issued = new Map<string, CompiledQuery>()
  const clients = Array.from({ length: count }, () =>
    connectDatabase<Tables>({
      url,
      applicationName: 'shared',
      poolMax: 4,
      connectTimeoutMs: 2000,
      statementTimeoutMs: 10_000,
      prepared: true,
      log: ({ query }) => issued.set(query.sql, query),
    }),
  )
  const db = clients[0] as Kysely<Tables>
  if (migrate) await migrateShared(db)
  issued.clear()
  const asked = () => [...issued.values()].filter((query) => /^(select|update|delete)/.test(query.sql))
  return {
    url,
    db,
    clients,
    statements: {
      get count() {
        return asked().length
      },
      /** Those that find their rows without an index, even when the planner may not scan. */
      thatScan: () =>
        db.connection().execute(async (one) => {
          await sql`set enable_seqscan = off`.execute(one)
          const scanned: string[] = []
          for (const query of asked()) {
            const { rows } = await one.executeQuery({
              ...query,
              sql: `explain (format json) ${query.sql}`,
            } as CompiledQuery)
            if (JSON.stringify(rows).includes('"Seq Scan"')) scanned.push(query.sql)
          }
          return scanned
        }),
    },
    close: async () => {
      await Promise.all(clients.map((one) => one.destroy()))
      await drop()
    },
  }
}
