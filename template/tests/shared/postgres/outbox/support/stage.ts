import { silentLogger } from '@kiln/shared'
import { type ControlledTransaction, type Kysely, sql, type Transaction } from 'kysely'
import { createEvents } from '../../../../../../shared/events/client.ts'
import { type Envelope, fromFields } from '../../../../../../shared/events/envelope.ts'
import type { EventLogger } from '../../../../../../shared/events/observer.ts'
import {
  createRelay,
  postgresOutbox,
  type Relay,
  type RelayOptions,
} from '../../../../../../shared/postgres/index.ts'
import { bucketOf } from '../../../../../../shared/postgres/outbox/locks.ts'
import { ThingMade } from '../../../../../../shared/testing/delivery/contracts.ts'
import { openEvents } from '../../../events/support/open-events.ts'
import { startRedis } from '../../../events/support/redis-server.ts'
import { createSharedDatabase } from '../../../events/support/shared-database.ts'

type Tables = Record<string, never>

interface SentEvent extends Envelope {
  readonly entryId: string
  readonly n: number
  readonly of: string
}

/** Short enough for a test, long enough for a busy machine. */
export const quick = { idleTimeoutMs: 4000, pollEveryMs: 50, backoff: { baseMs: 20, maxMs: 100 } } as const

/** A database with an outbox, and a private Redis that it is sent to. */
export async function openStage() {
  const [database, redis] = await Promise.all([createSharedDatabase({ clients: 2 }), startRedis()])
  const [db, other] = database.clients as [Kysely<Tables>, Kysely<Tables>]
  const { events: sender, transports, end } = await openEvents(redis, {})
  const outbox = postgresOutbox<Tables>()
  const events = createEvents<Transaction<Tables>>({
    service: 'facts',
    transports,
    logger: silentLogger,
    outbox,
  })
  const relays: Relay[] = []

  return {
    database,
    redis,
    db,
    /** A pool of its own, as another process has. */
    other,
    events,
    sender,
    transports,
    publish: (trx: Transaction<Tables>, n: number, of = 'wood') =>
      events.publish(ThingMade, { n, of }, { trx }),
    /** Numbers from `from` to below `to`, each in its own transaction, under `keys` keys in turn. */
    async publishAll(from: number, to: number, keys = 10) {
      for (let n = from; n < to; n++) {
        await db
          .transaction()
          .execute((trx) => events.publish(ThingMade, { n, of: `key-${n % keys}` }, { trx }))
      }
    },
    /** A row as another release might have written it, with number -1. */
    async addRow({
      key,
      type = 'thing.made',
      specversion = '1.0',
    }: {
      key: string
      type?: string
      specversion?: string
    }) {
      const event = {
        specversion,
        id: crypto.randomUUID(),
        source: 'facts',
        type,
        time: new Date().toISOString(),
        partitionkey: key,
        data: { n: -1, of: key },
      }
      const stored = `${type.split('.')[0]}/${key}`
      const { rows } = await sql<{ id: number }>`
        insert into outbox (bucket, key, event)
        values (${bucketOf(stored)}, ${stored}, ${JSON.stringify(event)}) returning id`.execute(db)
      return { id: rows[0]?.id ?? 0 }
    },
    relay(options: Partial<RelayOptions<Tables>> = {}): Relay {
      const relay = createRelay({
        db,
        events: sender,
        streams: transports.streams,
        logger: silentLogger,
        ...quick,
        ...options,
      })
      relays.push(relay)
      relay.start()
      return relay
    },
    /** Everything in the stream, oldest first. */
    async sent(): Promise<readonly SentEvent[]> {
      const entries = await transports.streams.range('thing', '0-0', 100_000)
      return entries.map(({ id: entryId, fields }) => {
        const envelope = fromFields(fields)
        return { ...envelope, entryId, ...(JSON.parse(envelope.data) as { n: number; of: string }) }
      })
    },
    async rows(): Promise<{ readonly waiting: number; readonly archived: number; readonly parked: number }> {
      const { rows } = await sql<{ waiting: number; archived: number; parked: number }>`
        select (select count(*) from outbox where parked_at is null) as waiting,
          (select count(*) from outbox where parked_at is not null) as parked,
          (select count(*) from outbox_archive) as archived`.execute(db)
      return rows[0] as { waiting: number; archived: number; parked: number }
    },
    /** Ends every connection that waits inside a transaction, as a network that is cut does. */
    async cutTransactions(): Promise<void> {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`.execute(
        other,
      )
    },
    async close() {
      for (const relay of relays) await relay.stop(1000)
      await end()
      await redis.stop()
      await database.close()
    },
  }
}

export type Stage = Awaited<ReturnType<typeof openStage>>

/** The numbers by key, each number once, at its first place: what an idempotent consumer sees. */
export function orderByKey(
  sent: readonly { readonly id: string; readonly n: number; readonly of: string }[],
) {
  const seen = new Set<string>()
  const byKey: Record<string, number[]> = {}
  for (const { id, n, of } of sent) {
    if (seen.has(id)) continue
    seen.add(id)
    byKey[of] = [...(byKey[of] ?? []), n]
  }
  return byKey
}

/** Keeps what is logged. */
export function recorder() {
  const lines: { readonly level: string; readonly fields: object; readonly message: string }[] = []
  const write = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields, message })
  const logger: EventLogger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  }
  return { logger, lines }
}

/** What a transaction keeps back for its commit is sent before a savepoint. */
export async function sendKeptBack<Schema>(open: ControlledTransaction<Schema>): Promise<void> {
  await open.savepoint('sent').execute()
}
