import { type Kysely, sql } from 'kysely'
import type { Envelope } from '../../events/envelope.ts'
import { EventNotSentError } from '../../events/errors.ts'
import type { Events } from '../../events/events.ts'
import { type Shards, tagOfEvent } from '../../events/tags.ts'
import type { StreamTransport } from '../../events/transport.ts'
import { sharedTables } from '../tables.ts'
import { locks, upkeep } from './locks.ts'
import type { Db, SentRow, Trx } from './rows.ts'
import { decodeRow } from './turn.ts'

const pageSize = 500

export interface RedriveOptions {
  readonly events: Pick<Events, 'forward'>
  readonly streams: Pick<StreamTransport, 'missing'>
  /** As given to `createEvents`. */
  readonly shards?: Shards
  /** Looks at what was sent at this time and later, in milliseconds since 1970 by the database's clock. */
  readonly since: number
  /** Told after each page how many were looked at so far. */
  readonly checked?: (count: number) => void
  /** Asked before each page; true ends it. */
  readonly stopped?: () => boolean
}

export interface Redriven {
  readonly checked: number
  /** Of these the event server had lost so many. */
  readonly missing: number
  readonly sent: number
}

interface ArchivedRow extends SentRow {
  readonly event: string
  readonly sentAtMs: number
}

/** Where a page ends. */
interface Place {
  readonly sentAtMs: number
  readonly id: number
}

/**
 * Sends again what was sent and the event server has lost, in the order in which it was sent.
 *
 * Order cannot hold across such a loss: what is sent again comes after what was sent since. Each event carries `sequence`,
 * by which a consumer may know the stale. Processes that do this at the same time take turns, page by page.
 *
 * @throws {EventNotSentError} `EVENT_NOT_SENT` when the event server did not take an event; begin again then.
 */
export async function redriveOutbox<Schema>(
  database: Kysely<Schema>,
  { stopped = () => false, checked = () => {}, ...options }: RedriveOptions,
): Promise<Redriven> {
  const db = sharedTables(database).withoutPlugins()
  const total = { checked: 0, missing: 0, sent: 0 }
  let after: Place | undefined = { sentAtMs: options.since, id: 0 }
  while (after !== undefined && !stopped()) {
    const page = await redrivePage(db, after, options)
    total.checked += page.checked
    total.missing += page.missing
    total.sent += page.sent
    after = page.next
    checked(total.checked)
  }
  return total
}

/** When the newest row of the archive was sent, in milliseconds since 1970 by the database's clock. */
export async function lastSentMs(db: Db): Promise<number | undefined> {
  const { rows } = await sql<{ ms: number }>`
    select (extract(epoch from sent_at) * 1000)::float8 as ms from outbox_archive
    order by sent_at desc limit 1`.execute(db)
  return rows[0] && Number(rows[0].ms)
}

async function redrivePage(
  db: Db,
  after: Place,
  { events, streams, shards = {} }: Omit<RedriveOptions, 'stopped' | 'checked'>,
): Promise<Redriven & { readonly next: Place | undefined }> {
  // Read only once it is locked: then the entry ids are those that the process before us has written.
  const transaction = db.transaction().setIsolationLevel('read committed')
  return await transaction
    .execute(async (trx) => {
      await sql`select set_config('idle_in_transaction_session_timeout', '30000', true),
      pg_advisory_xact_lock(${sql.lit(locks.upkeep)}, ${sql.lit(upkeep.redrive)})`.execute(trx)
      const page = await readPage(trx, after)
      const lost = await findLost(page, streams)
      const envelopes = lost.map(decodeRow)
      const outcomes = lost.length > 0 ? await events.forward(envelopes) : []
      const sent = lost.flatMap((row, at) => {
        const outcome = outcomes[at]
        const tag = tagOfEvent(envelopes[at] as Envelope, shards)
        return outcome?.ok ? [{ ...row, tag, entryId: outcome.entryId }] : []
      })
      const [first, last] = [page[0], page.at(-1)]
      if (first && last && sent.length > 0) await writePlaces(trx, sent, first.sentAtMs, last.sentAtMs)
      const refused = lost.flatMap(({ id }, at) => (outcomes[at]?.ok ? [] : [String(id)]))
      return {
        checked: page.length,
        missing: lost.length,
        sent: sent.length,
        next: page.length < pageSize ? undefined : last,
        refused,
        cause: outcomes.find((outcome) => !outcome.ok),
      }
    })
    .then(({ refused, cause, ...page }) => {
      // Outside: what was sent stays noted.
      if (refused.length > 0) throw new EventNotSentError(refused, { cause })
      return page
    })
}

async function readPage(trx: Trx, after: Place): Promise<readonly ArchivedRow[]> {
  const { rows } = await sql<{ id: unknown; event: string; tag: string; entry_id: string; sent_ms: unknown }>`
    select id, event::text as event, tag, entry_ms || '-' || entry_seq as entry_id,
      (extract(epoch from sent_at) * 1000)::float8 as sent_ms
    from outbox_archive
    where (sent_at, id) > (${instant(after.sentAtMs)}, ${after.id}::bigint)
      and sent_at >= ${instant(after.sentAtMs)}
    order by sent_at, id limit ${pageSize}`.execute(trx)
  return rows.map(({ id, event, tag, entry_id, sent_ms }) => ({
    id: Number(id),
    event,
    tag,
    entryId: entry_id,
    sentAtMs: Number(sent_ms),
  }))
}

async function findLost(
  page: readonly ArchivedRow[],
  streams: Pick<StreamTransport, 'missing'>,
): Promise<readonly ArchivedRow[]> {
  const lost = new Set<string>()
  for (const tag of new Set(page.map((row) => row.tag))) {
    const entryIds = page.filter((row) => row.tag === tag).map(({ entryId }) => entryId)
    const ids = await streams.missing(tag, entryIds)
    for (const id of ids) lost.add(`${tag} ${id}`)
  }
  return page.filter(({ tag, entryId }) => lost.has(`${tag} ${entryId}`))
}

/** Two times let the planner look into the right days only. */
async function writePlaces(trx: Trx, sent: readonly SentRow[], fromMs: number, toMs: number): Promise<void> {
  const parts = sent.map(({ entryId }) => entryId.split('-'))
  await sql`
    update outbox_archive set tag = sent.tag, entry_ms = sent.entry_ms, entry_seq = sent.entry_seq
    from unnest(
      ${sent.map(({ id }) => id)}::bigint[], ${sent.map(({ tag }) => tag)}::text[],
      ${parts.map(([ms]) => ms)}::bigint[], ${parts.map(([, sequence]) => sequence)}::bigint[]
    ) as sent (id, tag, entry_ms, entry_seq)
    where outbox_archive.id = sent.id
      and outbox_archive.sent_at between ${instant(fromMs)} and ${instant(toMs)}`.execute(trx)
}

function instant(ms: number) {
  return sql`to_timestamp(${ms}::float8 / 1000)::timestamptz(3)`
}
