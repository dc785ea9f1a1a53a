import { sql, type Transaction } from 'kysely'
import { type Envelope, toStructured } from '../../events/envelope.ts'
import { EventError } from '../../events/errors.ts'
import type { Outbox } from '../../events/outbox.ts'
import { domainOf } from '../../events/tags.ts'
import { atCommit } from '../at-commit.ts'
import type { Executor } from '../compiled.ts'
import { bucketOf, lockOf, locks } from './locks.ts'

export interface PostgresOutboxOptions {
  /** Called after each `add`, before its transaction commits: wakes who sends. */
  readonly onAdded?: () => void
}

/**
 * An outbox in the service's own database; `migrateShared` makes its table, and a relay sends what is in it.
 *
 * Until it ends a transaction holds a lock for each key it has published under: others that publish under the same key
 * wait for it. Thousands of keys in one transaction need a higher `max_locks_per_transaction`. One `add` cannot deadlock
 * with another; several in one transaction can, as any rows that are changed in different orders.
 *
 * `add` throws {@link EventError} `EVENT_TRANSACTION_CLOSED` for what is no transaction, or none any more.
 */
export function postgresOutbox<Schema>({ onAdded }: PostgresOutboxOptions = {}): Outbox<Transaction<Schema>> {
  return {
    async add(trx, events) {
      if (!trx.isTransaction) throw closed('what was given to publish is no transaction')
      if (events.length === 0) return
      try {
        await insert(trx, events)
      } catch (cause) {
        // Kysely gives this error no code.
        if (cause instanceof Error && /^Transaction is already (committed|rolled back)$/.test(cause.message))
          throw closed('the transaction has ended', { cause })
        throw cause
      }
      onAdded?.()
    },
  }
}

function closed(message: string, options?: ErrorOptions): EventError {
  return new EventError('EVENT_TRANSACTION_CLOSED', message, options)
}

/**
 * The rows, and with them their ids, come after every lock is held: within a key, id order is then commit order. The locks
 * are taken in ascending order, so that two of these statements never wait for each other in a circle.
 */
async function insert<Schema>(trx: Transaction<Schema>, events: readonly Envelope[]): Promise<void> {
  const [only] = events
  if (only !== undefined && events.length === 1) {
    const key = keyOf(only)
    await insertOne(trx.withoutPlugins(), lockOf(key), bucketOf(key), key, toStructured(only))
    return
  }
  const keys = events.map(keyOf)
  const ascending = [...new Set(keys.map(lockOf))].sort((one, other) => one - other)
  await insertLocked(trx.withoutPlugins(), ascending, keys.map(bucketOf), keys, events.map(toStructured))
}

/** What most transactions publish: a fifth less work for the server. */
const insertOne = atCommit(
  (_: Executor, locked: number, bucket: number, key: string, event: string) =>
    sql`
    with locked as materialized (select pg_advisory_xact_lock(${sql.lit(locks.key)}, ${locked}))
    insert into outbox (bucket, key, event)
    select ${bucket}::smallint, ${key}::text, ${event}::json from locked`,
)

const insertLocked = atCommit(
  (
    _: Executor,
    locked: readonly number[],
    buckets: readonly number[],
    keys: readonly string[],
    events: readonly string[],
  ) =>
    sql`
    with locked as materialized (
      select pg_advisory_xact_lock(${sql.lit(locks.key)}, hash) from unnest(${locked}::int[]) as hash
    )
    insert into outbox (bucket, key, event)
    select bucket, key, event::json
    from unnest(${buckets}::smallint[], ${keys}::text[], ${events}::text[])
      with ordinality as added (bucket, key, event, place)
    where (select count(*) from locked) > 0
    order by place`,
)

/** Order exists within a domain: what stops a key in one must not stop the same key in another. */
function keyOf({ type, partitionkey, id }: Envelope): string {
  return `${domainOf(type)}/${partitionkey ?? id}`
}
