import type { ColumnType, Generated, Kysely } from 'kysely'
import type { ReplayJob } from '../events/replay-jobs.ts'

/** The tables of this package, as `migrateShared` makes them. */
export interface SharedTables {
  readonly subscriptions: {
    readonly group_name: string
    readonly owner: string
    readonly name: string
    readonly events: readonly string[]
    readonly tags: readonly string[]
    readonly paused: Generated<boolean>
    readonly heard_at: Date
  }
  readonly subscription_marks: {
    readonly group_name: string
    readonly tag: string
    readonly mark: string
  }
  readonly replays: {
    readonly id: string
    readonly service: string
    readonly subscription: string
    readonly group_name: string
    readonly events: readonly string[]
    /** Written as JSON text, read as what it says. */
    readonly parts: ColumnType<ReplayJob['parts'], string, string>
    readonly per_second: number | null
    readonly total: number
    readonly done: number
    readonly status: ReplayJob['status']
    readonly created_at: Date
  }
}

/** A service's database holds our tables beside its own, whatever its schema says. */
export function sharedTables<Schema>(db: Kysely<Schema>): Kysely<SharedTables> {
  return db as unknown as Kysely<SharedTables>
}
