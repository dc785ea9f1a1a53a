import { type Kysely, sql } from 'kysely'
import { toFields } from '../../events/envelope.ts'
import type { EventArchive } from '../../events/outbox.ts'
import type { StoredEntry } from '../../events/transport.ts'
import { sharedTables } from '../tables.ts'
import { decodeRow } from './turn.ts'

/** PostgreSQL's `bigint` ends below what a stream's sequence can be. */
const maxSequence = 2n ** 63n - 1n

/** Reads what the service has sent, for as long as `keepArchive` keeps it. */
export function postgresArchive<Schema>(database: Kysely<Schema>): EventArchive {
  const db = sharedTables(database).withoutPlugins()
  return {
    async range(tag, after, until, count) {
      const [from, to] = [place(after), place(until)]
      const { rows } = await sql<{ id: unknown; event: string; entry_id: string }>`
        select id, event::text as event, entry_ms || '-' || entry_seq as entry_id from outbox_archive
        where tag = ${tag}
          and (entry_ms, entry_seq) > (${from.ms}::bigint, ${from.sequence}::bigint)
          and (entry_ms, entry_seq) <= (${to.ms}::bigint, ${to.sequence}::bigint)
        order by entry_ms, entry_seq limit ${count}`.execute(db)
      return rows.map(({ id, event, entry_id }) => ({
        id: entry_id,
        fields: fieldsOf({ id: Number(id), event }),
      }))
    },
  }
}

function place(entryId: string): { readonly ms: string; readonly sequence: string } {
  const [ms = '0', sequence = '0'] = entryId.split('-')
  const value = BigInt(sequence)
  return { ms, sequence: String(value > maxSequence ? maxSequence : value) }
}

function fieldsOf(row: { readonly id: number; readonly event: string }): StoredEntry['fields'] {
  const flat = toFields(decodeRow(row))
  const fields: Record<string, string> = {}
  for (let at = 0; at + 1 < flat.length; at += 2) fields[flat[at] as string] = flat[at + 1] as string
  return fields
}
