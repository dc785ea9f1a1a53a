import { type QueryExecutorProvider, sql } from 'kysely'
import type { SubscriptionRecord, SubscriptionStore } from '../events/store.ts'

interface Row {
  readonly consumer_group: string
  readonly owner: string
  readonly name: string
  readonly events: readonly string[]
  readonly tags: readonly string[]
  readonly paused: boolean
  readonly heard_at: Date
}

/**
 * Keeps subscriptions and their low-water marks in PostgreSQL, where an emptied or replaced Redis does not take them
 * along: its groups are healed from here.
 */
export function postgresSubscriptions(db: QueryExecutorProvider): SubscriptionStore {
  return {
    exclusive: false,
    async register({ group, owner, name, events, tags, heardAtMs }) {
      await sql`
        insert into subscriptions (consumer_group, owner, name, events, tags, heard_at)
        values (${group}, ${owner}, ${name}, ${[...events]}, ${[...tags]}, ${new Date(heardAtMs)})
        on conflict (consumer_group) do update set
          owner = excluded.owner, events = excluded.events, tags = excluded.tags, heard_at = excluded.heard_at
      `.execute(db)
    },
    async list() {
      const { rows } = await sql<Row>`
        select consumer_group, owner, name, events, tags, paused, heard_at from subscriptions order by consumer_group
      `.execute(db)
      return rows.map(recordOf)
    },
    async heard(group, atMs) {
      await sql`
        update subscriptions set heard_at = ${new Date(atMs)} where consumer_group = ${group}
      `.execute(db)
    },
    async setPaused(group, paused) {
      const { numAffectedRows = 0n } = await sql`
        update subscriptions set paused = ${paused} where consumer_group = ${group}
      `.execute(db)
      return numAffectedRows > 0n
    },
    async isPaused(group) {
      const { rows } = await sql<Pick<Row, 'paused'>>`
        select paused from subscriptions where consumer_group = ${group}
      `.execute(db)
      return rows[0]?.paused ?? false
    },
    async mark(group, tag) {
      const { rows } = await sql<{ mark: string | null }>`
        select marks ->> ${tag}::text as mark from subscriptions where consumer_group = ${group}
      `.execute(db)
      return rows[0]?.mark ?? undefined
    },
    async saveMark(group, tag, mark) {
      await sql`
        update subscriptions set marks = marks || jsonb_build_object(${tag}::text, ${mark}::text)
        where consumer_group = ${group}
      `.execute(db)
    },
    async remove(group) {
      await sql`delete from subscriptions where consumer_group = ${group}`.execute(db)
    },
  }
}

function recordOf({ consumer_group: group, heard_at, ...row }: Row): SubscriptionRecord {
  return { group, heardAtMs: heard_at.getTime(), ...row }
}
