import type { ColumnType, Generated, GeneratedAlways, Kysely } from 'kysely'
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
  /** Events to be sent; what was sent is in the archive. */
  readonly outbox: {
    /** Drawn while the key is locked: within a key its order is the order of commits. */
    readonly id: GeneratedAlways<number>
    /** Of the key, 0 to 63: one relay at a time sends a bucket. */
    readonly bucket: number
    readonly key: string
    /** A CloudEvent in structured mode, as text. */
    readonly event: ColumnType<unknown, string, never>
    readonly created_at: Generated<Date>
    /** It could not be decoded: it waits for a release that can, and its key with it. */
    readonly parked_at: Date | null
    readonly parked_reason: string | null
  }
  /** Partitioned by the day of `sent_at`. */
  readonly outbox_archive: {
    readonly id: number
    readonly event: ColumnType<unknown, string, never>
    readonly tag: string
    /** The entry's id in its stream, `<entry_ms>-<entry_seq>`. */
    readonly entry_ms: number
    readonly entry_seq: number
    readonly created_at: Date
    readonly sent_at: Date
  }
  readonly inbox: {
    readonly group_name: string
    readonly source: string
    readonly event_id: string
    readonly handled_at: Generated<Date>
  }
  /** One row for each key of a principal; an answer once there is one. */
  readonly idempotency_keys: {
    readonly principal: string
    readonly key: string
    readonly fingerprint: Uint8Array
    readonly owner: string
    readonly leased_until: Date
    /** When a transaction of the request was committed. */
    readonly committed_at: Date | null
    readonly status: number | null
    readonly headers: Readonly<Record<string, string>> | null
    readonly body: Uint8Array | null
    readonly expires_at: Date
  }
}

/** A service's database holds our tables beside its own, whatever its schema says. */
export function sharedTables<Schema>(db: Kysely<Schema>): Kysely<SharedTables> {
  return db as unknown as Kysely<SharedTables>
}
