import type { Kysely } from 'kysely'
import type { SubscriptionStore } from '../events/store.ts'
import { sharedTables } from './tables.ts'

/**
 * Keeps subscriptions in PostgreSQL, where they outlive a flush or a failover of Redis.
 *
 * `migrateShared` makes its tables. The database belongs to one service: a subscription of another owner means that the
 * service was renamed.
 */
export function postgresStore<Schema>(database: Kysely<Schema>): SubscriptionStore {
  const db = sharedTables(database)
  return {
    exclusive: true,
    async register({ group, owner, name, events, tags, heardAtMs }) {
      const row = { owner, name, events, tags, heard_at: new Date(heardAtMs) }
      await db
        .insertInto('subscriptions')
        .values({ group_name: group, ...row })
        .onConflict((conflict) => conflict.column('group_name').doUpdateSet(row))
        .execute()
    },
    async list() {
      const rows = await db.selectFrom('subscriptions').selectAll().orderBy('group_name').execute()
      return rows.map(({ group_name: group, heard_at, ...row }) => ({
        group,
        ...row,
        heardAtMs: heard_at.getTime(),
      }))
    },
    async heard(group, atMs) {
      await db
        .updateTable('subscriptions')
        .set({ heard_at: new Date(atMs) })
        .where('group_name', '=', group)
        .execute()
    },
    async setPaused(group, paused) {
      const { numUpdatedRows } = await db
        .updateTable('subscriptions')
        .set({ paused })
        .where('group_name', '=', group)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
    async isPaused(group) {
      const row = await db
        .selectFrom('subscriptions')
        .select('paused')
        .where('group_name', '=', group)
        .executeTakeFirst()
      return row?.paused ?? false
    },
    async mark(group, tag) {
      const row = await db
        .selectFrom('subscription_marks')
        .select('mark')
        .where('group_name', '=', group)
        .where('tag', '=', tag)
        .executeTakeFirst()
      return row?.mark
    },
    async saveMark(group, tag, mark) {
      await db
        .insertInto('subscription_marks')
        .values({ group_name: group, tag, mark })
        .onConflict((conflict) => conflict.columns(['group_name', 'tag']).doUpdateSet({ mark }))
        .execute()
    },
    async remove(group) {
      await db.transaction().execute(async (trx) => {
        await trx.deleteFrom('subscription_marks').where('group_name', '=', group).execute()
        await trx.deleteFrom('subscriptions').where('group_name', '=', group).execute()
      })
    },
  }
}
