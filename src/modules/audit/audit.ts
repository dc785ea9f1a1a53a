import { decodeCursor, encodeCursor } from '@kiln/shared/http'
import type { Database } from '../../infrastructure/database/connection.ts'
import type { AuditList, ListAudit } from './schemas.ts'

/** The audit trail, newest first; `next_cursor` is null at the end. */
export async function listAudit(db: Database, filter: ListAudit): Promise<AuditList> {
  const { limit, cursor } = filter
  let query = db
    .selectFrom('audit_log')
    .selectAll()
    .orderBy('occurred_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
  if (filter.entity !== undefined) query = query.where('entity', '=', filter.entity)
  if (filter.entity_id !== undefined) query = query.where('entity_id', '=', filter.entity_id)
  if (filter.actor_id !== undefined) query = query.where('actor_id', '=', filter.actor_id)
  if (filter.from !== undefined) query = query.where('occurred_at', '>=', new Date(filter.from))
  if (filter.to !== undefined) query = query.where('occurred_at', '<', new Date(filter.to))
  if (cursor !== undefined) {
    const [occurredAtMs, id] = decodeCursor(cursor, 2) as [number, number]
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('occurred_at', 'id'), '<', tuple(new Date(occurredAtMs), id)),
    )
  }

  const rows = await query.execute()
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    items: shown.map((row) => ({ ...row, occurred_at: row.occurred_at.toISOString() })),
    next_cursor: rows.length > limit && last ? encodeCursor([last.occurred_at.getTime(), last.id]) : null,
  }
}
