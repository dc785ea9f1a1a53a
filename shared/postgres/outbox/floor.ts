import { sql } from 'kysely'
import { locks } from './locks.ts'
import type { Db } from './rows.ts'

/**
 * The id up to which nothing is left in the outbox, nor will ever be.
 *
 * While any transaction of the database stays open, vacuum takes no deleted row out of the indexes, and a claim that began
 * at their start would read them all, every time. So it begins at the floor.
 *
 * Late commits are not skipped. A row's id is drawn while its transaction holds its key's lock, and the lock is given up
 * only once the commit is visible. So: read the last id drawn; then see who holds locks of keys. When none of these is left,
 * whatever has an id up to that one is visible, or was rolled back, and the floor may rise to just below the first row there is.
 */
export class Floor {
  readonly #db: Db
  #id = 0
  #pending: { readonly lastId: number; holders: ReadonlySet<string> } | undefined

  constructor(db: Db) {
    this.#db = db
  }

  get id(): number {
    return this.#id
  }

  /** Raises the floor if it can be; call it about once a second. */
  async raise(): Promise<void> {
    const lastId = this.#pending?.lastId ?? (await this.#lastId())
    const present = await this.#holders()
    const before = this.#pending?.holders ?? present
    const holders = new Set([...before].filter((holder) => present.has(holder)))
    this.#pending = { lastId, holders }
    if (holders.size > 0) return
    const firstId = await this.#firstId()
    this.#id = Math.max(this.#id, Math.min(lastId, firstId - 1))
    this.#pending = undefined
  }

  async #lastId(): Promise<number> {
    const { rows } = await sql<{ last: unknown }>`
      select coalesce(pg_sequence_last_value(pg_get_serial_sequence('outbox', 'id')::regclass), 0) as last
    `.execute(this.#db)
    return Number(rows[0]?.last ?? 0)
  }

  async #holders(): Promise<ReadonlySet<string>> {
    const { rows } = await sql<{ holder: string }>`
      select distinct virtualtransaction as holder from pg_locks
      where locktype = 'advisory' and granted and classid = ${sql.lit(locks.key)} and objsubid = 2
        and database = (select oid from pg_database where datname = current_database())
    `.execute(this.#db)
    return new Set(rows.map(({ holder }) => holder))
  }

  /** Parked rows count: they come back. */
  async #firstId(): Promise<number> {
    const { rows } = await sql<{ first: unknown }>`
      select id as first from outbox where id > ${this.#id} order by id limit 1`.execute(this.#db)
    return rows[0] ? Number(rows[0].first) : Number.POSITIVE_INFINITY
  }
}
