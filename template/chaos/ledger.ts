import { Redis } from 'ioredis'
import type { Postgres } from './postgres.ts'

/** A write that was committed, as the audit trail has it. */
export interface Write {
  /** Null where no request was the cause. */
  readonly correlationId: string | null
  readonly userId: string
  /** The event's type that belongs to it. */
  readonly type: string
}

/** An event, from the outbox or its archive. */
export interface LedgerEvent {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly key: string
  readonly sequence: number
  readonly correlationId: string | null
  readonly userId: string
  /** Milliseconds since 1970, as those of effects; null while it is in the outbox. */
  readonly sentAtMs: number | null
  /** It was sent a second time, because the event server had lost it: its place in the stream is younger than its sending. */
  readonly redriven: boolean
}

export interface Effect {
  readonly source: string
  readonly eventId: string
  readonly key: string
  readonly sequence: number
  readonly handledAtMs: number
}

/** What is left where nothing should be. */
export type LeftOver = Readonly<Record<string, number>>

export interface Ledger {
  readonly writes: readonly Write[]
  readonly events: readonly LedgerEvent[]
  /** In the order in which they took effect. */
  readonly effects: readonly Effect[]
  /** The newest sequence that was applied, by key. */
  readonly profiles: ReadonlyMap<string, number>
  /** How often each event was delivered to the counting subscription, by `source id`. */
  readonly deliveries: ReadonlyMap<string, number>
  /** How often each event is in the stream, by `source id`. */
  readonly entries: ReadonlyMap<string, number>
  readonly leftOver: LeftOver
}

export const nameOf = (source: string, id: string) => `${source} ${id}`

/** Reads every row of both databases and every entry of the stream, past all links. */
export async function readLedger(postgres: Postgres, redisPort: number): Promise<Ledger> {
  const redis = new Redis(redisPort, '127.0.0.1')
  redis.on('error', () => {})
  try {
    return {
      writes: await readWrites(postgres),
      events: await readEvents(postgres),
      effects: await postgres.query<Effect>(
        'consumer',
        `select source, event_id as "eventId", key, sequence::float8 as sequence,
           (extract(epoch from handled_at) * 1000)::float8 as "handledAtMs"
         from effects order by place`,
      ),
      profiles: new Map(
        (
          await postgres.query<{ key: string; sequence: number }>(
            'consumer',
            'select key, sequence::float8 as sequence from profiles',
          )
        ).map(({ key, sequence }) => [key, sequence]),
      ),
      deliveries: await readDeliveries(postgres),
      entries: await readEntries(redis),
      leftOver: await readLeftOver(postgres, redis),
    }
  } finally {
    redis.disconnect()
  }
}

function readWrites(postgres: Postgres): Promise<readonly Write[]> {
  return postgres.query<Write>(
    'service',
    `select correlation_id as "correlationId", entity_id as "userId",
       case action when 'user.deactivated' then 'user.updated' else action end as type
     from audit_log
     where action in ('user.created', 'user.updated', 'user.verified', 'user.deactivated')`,
  )
}

function readEvents(postgres: Postgres): Promise<readonly LedgerEvent[]> {
  return postgres.query<LedgerEvent>(
    'service',
    `select event->>'id' as id, event->>'source' as source, event->>'type' as type,
       event->>'partitionkey' as key, id::float8 as sequence, event->>'correlationid' as "correlationId",
       event->'data'->>'user_id' as "userId", sent_ms as "sentAtMs", coalesce(entry_ms > sent_ms, false) as redriven
     from (
       select id, event, null::float8 as sent_ms, null::bigint as entry_ms from outbox
       union all
       select id, event, (extract(epoch from sent_at) * 1000)::float8, entry_ms from outbox_archive
     ) as events
     order by sequence`,
  )
}

async function readDeliveries(postgres: Postgres): Promise<ReadonlyMap<string, number>> {
  const rows = await postgres.query<{ source: string; id: string; count: number }>(
    'consumer',
    'select source, event_id as id, count(*)::int as count from deliveries group by 1, 2',
  )
  return new Map(rows.map(({ source, id, count }) => [nameOf(source, id), count]))
}

async function readEntries(redis: Redis): Promise<ReadonlyMap<string, number>> {
  const entries = new Map<string, number>()
  for (let after = '-'; ; ) {
    const page = await redis.xrange('events:{user}', after, '+', 'COUNT', 1000)
    for (const [id, flat] of page) {
      const name = nameOf(fieldOf(flat, 'source'), fieldOf(flat, 'id'))
      entries.set(name, (entries.get(name) ?? 0) + 1)
      after = `(${id}`
    }
    if (page.length < 1000) return entries
  }
}

function fieldOf(flat: readonly string[], field: string): string {
  const at = flat.findIndex((name, index) => index % 2 === 0 && name === field)
  return flat[at + 1] ?? ''
}

async function readLeftOver(postgres: Postgres, redis: Redis): Promise<LeftOver> {
  const left: Record<string, number> = {}
  const add = (name: string, count: number) => {
    left[name] = (left[name] ?? 0) + count
  }
  const [outbox] = await postgres.query<{ waiting: number; parked: number }>(
    'service',
    `select count(*) filter (where parked_at is null)::int as waiting,
       count(*) filter (where parked_at is not null)::int as parked from outbox`,
  )
  add('outbox rows', outbox?.waiting ?? 0)
  add('parked outbox rows', outbox?.parked ?? 0)
  const groups = await groupsOf(redis)
  for (const { name, pending, lag } of groups) {
    add('undelivered', lag)
    add('pending', pending)
    const key = (part: string) => `events:{user}:${part}:${name}`
    add('due', await redis.zcard(key('due')))
    add('delivered again', await redis.xlen(key('again')))
    add('parked', await redis.xlen(key('parked')))
    add('dead letters', await redis.xlen(key('dead')))
    add('held keys', await redis.hlen(key('held')))
  }
  add('missing groups', Math.max(0, 2 - groups.length))
  return left
}

interface Group {
  readonly name: string
  readonly pending: number
  readonly lag: number
}

/** The consumer's groups; `lag` is counted, as the server itself does not always know it. */
async function groupsOf(redis: Redis): Promise<readonly Group[]> {
  if ((await redis.exists('events:{user}')) === 0) return []
  const replies = (await redis.xinfo('GROUPS', 'events:{user}')) as string[][]
  return await Promise.all(
    replies.map(async (flat) => {
      const last = fieldOf(flat.map(String), 'last-delivered-id')
      const behind = await redis.xrange('events:{user}', `(${last}`, '+', 'COUNT', 10_000)
      return {
        name: fieldOf(flat.map(String), 'name'),
        pending: Number(fieldOf(flat.map(String), 'pending')),
        lag: behind.length,
      }
    }),
  )
}
