import { type Kysely, sql } from 'kysely'
import type { ReplayJobs } from '../events/replay-jobs.ts'
import { sharedTables } from './tables.ts'

/** Keeps replays in PostgreSQL; `migrateShared` makes their table. */
export function postgresReplayJobs<Schema>(database: Kysely<Schema>): ReplayJobs {
  const db = sharedTables(database)
  return {
    async put({ group, parts, perSecond, createdAtMs, ...job }) {
      const row = {
        ...job,
        group_name: group,
        parts: JSON.stringify(parts),
        per_second: perSecond ?? null,
        created_at: new Date(createdAtMs),
      }
      await db
        .insertInto('replays')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
        .execute()
    },
    async list() {
      const rows = await db
        .selectFrom('replays')
        .selectAll()
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .execute()
      return rows.map(({ group_name: group, per_second, created_at, ...row }) => ({
        ...row,
        group,
        perSecond: per_second ?? undefined,
        createdAtMs: created_at.getTime(),
      }))
    },
    async advance(id, count) {
      await db
        .updateTable('replays')
        .set({ done: sql`done + ${count}` })
        .where('id', '=', id)
        .execute()
    },
    async end(id, status) {
      const { numUpdatedRows } = await db
        .updateTable('replays')
        .set({ status })
        .where('id', '=', id)
        .where('status', '=', 'running')
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
  }
}
