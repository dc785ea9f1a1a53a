import { sql } from 'kysely'
import { EventUndecodableError } from '../../events/errors.ts'
import type { ClaimedRow, Db } from './rows.ts'
import { decodeRow } from './turn.ts'

const pageSize = 200

/**
 * Lets every parked row go that this program can decode, oldest first.
 *
 * @returns how many.
 */
export async function retryParked(db: Db): Promise<number> {
  let after = 0
  let freed = 0
  for (;;) {
    const { rows } = await sql<{ id: unknown; key: string; event: string }>`
      select id, key, event::text as event from outbox
      where parked_at is not null and id > ${after} order by id limit ${pageSize}`.execute(db)
    const page = rows.map(({ id, ...row }) => ({ ...row, id: Number(id) }))
    const ids = page.filter(isDecodable).map(({ id }) => id)
    if (ids.length > 0)
      await sql`
        update outbox set parked_at = null, parked_reason = null where id = any(${ids}::bigint[])`.execute(db)
    freed += ids.length
    after = page.at(-1)?.id ?? after
    if (page.length < pageSize) return freed
  }
}

function isDecodable(row: ClaimedRow): boolean {
  try {
    decodeRow(row)
    return true
  } catch (error) {
    if (error instanceof EventUndecodableError) return false
    throw error
  }
}
