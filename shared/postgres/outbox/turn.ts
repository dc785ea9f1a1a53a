import { type Envelope, fromStructured } from '../../events/envelope.ts'
import { EventUndecodableError } from '../../events/errors.ts'
import type { Events } from '../../events/events.ts'
import type { EventLogger } from '../../events/observer.ts'
import { domainOf, type Shards, tagOfEvent } from '../../events/tags.ts'
import type { AppendOutcome } from '../../events/transport.ts'
import type { InFlight } from './in-flight.ts'
import type { OutboxObserver } from './observer.ts'
import {
  archiveRows,
  type ClaimedRow,
  type ClaimLimits,
  claimRows,
  type Db,
  type Except,
  lockBuckets,
  parkRow,
  type SentRow,
  type Trx,
} from './rows.ts'

/** As many as the event client appends in one go: within it the event server itself stops a key at its first failure. */
const maxForward = 500

export interface TurnOptions {
  readonly db: Db
  readonly events: Pick<Events, 'forward'>
  readonly shards: Shards
  readonly inFlight: InFlight
  readonly logger: EventLogger
  readonly observer: OutboxObserver
  readonly maxRows: number
  readonly maxBytes: number
  /** The server ends a turn that is silent for so long, so that another relay may send its buckets. */
  readonly idleTimeoutMs: number
  readonly now: () => number
}

export interface TurnResult {
  readonly sent: number
  /** Rows that the event server did not take, those of full streams left out. */
  readonly refused: number
  readonly fullDomains: ReadonlySet<string>
  readonly cause: unknown
}

interface Decoded {
  readonly row: ClaimedRow
  readonly envelope: Envelope
}

/**
 * Sends the oldest rows of some buckets, in one transaction that holds the buckets' locks.
 *
 * Whatever dies, and whenever: a row leaves the outbox only with its entry id, so it is sent at least once; and nobody
 * else sends of a bucket before the transaction has ended, so the rows of a key are sent in the order of their ids.
 */
export async function takeTurn(
  buckets: readonly number[],
  maxBuckets: number,
  except: Omit<Except, 'ids'>,
  options: TurnOptions,
): Promise<TurnResult> {
  const { db, inFlight, observer, idleTimeoutMs, now } = options
  // The rows are looked up after the lock: with a snapshot from before it, what others have sent since would be sent again.
  const transaction = db.transaction().setIsolationLevel('read committed')
  return await transaction.execute(async (trx) => {
    const locked = await lockBuckets(trx, buckets, { maxCount: maxBuckets, idleTimeoutMs })
    if (locked.length === 0) return new Sending().result
    const startedAtMs = now()
    const limits = limitsOf(options, locked.length)
    // Asked for now: another turn may have sent of these buckets until they were locked.
    const rows = await claimRows(trx, locked, { ...except, ids: inFlight.ids }, limits)
    const decoded = await decodeOrPark(trx, rows, options)
    // Frozen for longer, the locks may be gone and the rows sent by another relay.
    const mayStillSend = () => now() - startedAtMs < idleTimeoutMs / 2
    const sending = await send(decoded, mayStillSend, options)
    const safe = await inFlight.sift(sending.sent)
    if (safe.length > 0) await archiveRows(trx, safe)
    observer.sent?.(sending.sent.length)
    observer.archived?.(safe.length)
    return sending.result
  })
}

function limitsOf({ maxRows, maxBytes }: TurnOptions, buckets: number): ClaimLimits {
  return { perBucket: Math.ceil(maxRows / buckets), maxBytes }
}

async function decodeOrPark(
  trx: Trx,
  rows: readonly ClaimedRow[],
  { logger, observer }: TurnOptions,
): Promise<readonly Decoded[]> {
  const stopped = new Set<string>()
  const decoded: Decoded[] = []
  for (const row of rows) {
    if (stopped.has(row.key)) continue
    try {
      decoded.push({ row, envelope: decodeRow(row) })
    } catch (error) {
      if (!(error instanceof EventUndecodableError)) throw error
      stopped.add(row.key)
      await parkRow(trx, row.id, error.message)
      observer.parked?.(1)
      logger.error(
        { outboxId: row.id, reason: error.message },
        'an outbox row cannot be decoded: its key waits',
      )
    }
  }
  return decoded
}

/** The event of a row. @throws {EventUndecodableError} `EVENT_UNDECODABLE` */
export function decodeRow({ id, event }: Pick<ClaimedRow, 'id' | 'event'>): Envelope {
  return { ...fromStructured(event), sequence: String(id) }
}

/** What became of the rows of one turn. */
class Sending {
  readonly sent: { readonly row: SentRow; readonly envelope: Envelope }[] = []
  readonly stopped = new Set<string>()
  readonly #full = new Set<string>()
  #refused = 0
  #cause: unknown

  get result(): TurnResult {
    return { sent: this.sent.length, refused: this.#refused, fullDomains: this.#full, cause: this.#cause }
  }

  note({ row, envelope }: Decoded, outcome: AppendOutcome | undefined, tag: string): void {
    if (outcome?.ok) {
      this.sent.push({ row: { id: row.id, tag, entryId: outcome.entryId }, envelope })
      return
    }
    this.stopped.add(row.key)
    if (outcome?.sent === 'full') this.#full.add(domainOf(envelope.type))
    else this.#refused++
    this.#cause ??= outcome?.cause
  }
}

/** In id order; a key stops at the first row that was not taken. */
async function send(
  rows: readonly Decoded[],
  mayStillSend: () => boolean,
  { events, shards }: TurnOptions,
): Promise<Sending> {
  const sending = new Sending()
  for (let from = 0; from < rows.length && mayStillSend(); from += maxForward) {
    const chunk = rows.slice(from, from + maxForward).filter(({ row }) => !sending.stopped.has(row.key))
    const outcomes = await events.forward(chunk.map(({ envelope }) => envelope))
    for (const [at, one] of chunk.entries()) sending.note(one, outcomes[at], tagOfEvent(one.envelope, shards))
  }
  return sending
}
