import { createEvents, defineEvent, redisTransports, toStructured } from '@kiln/shared'
import { findRedisBinary, startPostgres, startRedis } from '@kiln/shared/embedded'
import {
  connectDatabase,
  createRelay,
  keepArchive,
  migrateShared,
  postgresOutbox,
} from '@kiln/shared/postgres'
import { Type } from '@sinclair/typebox'
import { Redis } from 'ioredis'
import { type Kysely, sql, type Transaction } from 'kysely'
import { Floor } from '../../shared/postgres/outbox/floor.ts'
import { bucketOf } from '../../shared/postgres/outbox/locks.ts'
import { claimRows, type Db, lockBuckets, waitingBuckets } from '../../shared/postgres/outbox/rows.ts'

/**
 * How fast committed rows leave the outbox, what a claim costs beside a large archive and a transaction that stays open, and
 * how long an event takes from commit to handler: one process, one private PostgreSQL that flushes to disk, one private Redis.
 */
const rounds = 3
const rowsPerRound = 50_000
const archivedRows = Number(process.argv[2] ?? 5_000_000)
const deadRows = 100_000

type Tables = Record<string, never>

const Placed = defineEvent({
  name: 'order.placed',
  delivery: 'stream',
  key: (order) => `order/${order.order_id}`,
  versions: { 1: Type.Object({ order_id: Type.Integer(), note: Type.String({ maxLength: 500 }) }) },
})

const binary = findRedisBinary()
if (binary === undefined) {
  process.stderr.write('A redis-server or valkey-server (7 or newer) is needed on the PATH.\n')
  process.exit(1)
}
const [server, postgres] = await Promise.all([
  startRedis({ server: { binary } }),
  startPostgres({ durable: true }),
])
const bare = new Redis(server.url)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const db: Kysely<Tables> = connectDatabase<Tables>({
  url: postgres.url,
  applicationName: 'bench',
  poolMax: 8,
  connectTimeoutMs: 5000,
  statementTimeoutMs: 600_000,
  prepared: true,
})
await migrateShared(db)
await keepArchive(db)

const transports = await redisTransports({
  connect: (_: string, options: object) => new Redis(server.url, options),
  logger: silent,
  consumer: 'bench',
  prefix: 'bench',
  overflow: 'trim',
})
let added = () => {}
const events = createEvents<Transaction<Tables>>({
  service: 'bench',
  transports,
  logger: silent,
  outbox: postgresOutbox<Tables>({ onAdded: () => added() }),
})
const relayOf = (concurrency: number) =>
  createRelay({ db, events, streams: transports.streams, logger: silent, concurrency })

const say = (text: string) => process.stdout.write(`${text}\n`)
const at = (values: readonly number[], share: number) =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length * share)] as number

/** One event, as the outbox keeps it, with room for its id. */
const event = toStructured({
  id: '%id',
  source: 'bench',
  type: Placed.name,
  time: new Date().toISOString(),
  dataversion: 1,
  correlationid: crypto.randomUUID(),
  partitionkey: '%key',
  data: JSON.stringify({ order_id: 1, note: 'x'.repeat(200) }),
})

async function fill(count: number, keys: number): Promise<void> {
  const names = Array.from({ length: keys }, (_, key) => `order/${key}`)
  await sql`
    insert into outbox (bucket, key, event)
    select (${names.map((name) => bucketOf(`order/${name}`))}::smallint[])[1 + n % ${sql.lit(keys)}],
      'order/order/' || n % ${sql.lit(keys)},
      replace(replace(${event}::text, '%id', gen_random_uuid()::text), '%key', 'order/' || n % ${sql.lit(keys)})::json
    from generate_series(1, ${sql.lit(count)}) as n`.execute(db)
}

async function empty(): Promise<void> {
  await sql`truncate outbox, outbox_archive`.execute(db)
  await bare.flushall()
}

/** Rows a second, from the start of a relay until the last row is in the archive. */
async function relayRate(keys: number, concurrency: number): Promise<number> {
  await empty()
  await fill(rowsPerRound, keys)
  await sql`analyze outbox`.execute(db)
  const relay = relayOf(concurrency)
  const startedAt = performance.now()
  relay.start()
  for (;;) {
    const { rows } = await sql`select from outbox limit 1`.execute(db)
    if (rows.length === 0) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const tookMs = performance.now() - startedAt
  await relay.stop(5000)
  return (rowsPerRound * 1000) / tookMs
}

/** Milliseconds of one look, lock and claim, forty times; the rows stay. */
async function claimMs(): Promise<number> {
  const plain = db as unknown as Db
  const floor = new Floor(plain)
  await floor.raise()
  const took: number[] = []
  for (let time = 0; time < 40; time += 1) {
    const startedAt = performance.now()
    const buckets = await waitingBuckets(plain, floor.id)
    await plain.transaction().execute(async (trx) => {
      const locked = await lockBuckets(trx, buckets, { maxCount: 32, idleTimeoutMs: 15_000 })
      const except = { floor: floor.id, ids: [], domains: [] }
      await claimRows(trx, locked, except, { perBucket: 32, maxBytes: 4 * 1024 * 1024 })
    })
    took.push(performance.now() - startedAt)
  }
  return at(took, 0.5)
}

async function fillArchive(): Promise<void> {
  await sql`
    insert into outbox_archive (id, event, tag, entry_ms, entry_seq, created_at, sent_at)
    select n, ${event}::json, 'order', n, 0, now(), now() from generate_series(1, ${sql.lit(archivedRows)}) as n
  `.execute(db)
}

/** What a relay leaves behind while somebody's transaction stays open: rows that vacuum may not take. */
async function leaveDeadRows(): Promise<void> {
  await fill(deadRows, 10_000)
  const relay = relayOf(2)
  relay.start()
  for (;;) {
    const { rows } = await sql`select from outbox limit 1`.execute(db)
    if (rows.length === 0) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await relay.stop(5000)
}

/** From the end of the transaction to the handler, with pauses between. */
async function latencies(count = 200): Promise<readonly number[]> {
  let handled = (_: number) => {}
  events.subscribe(Placed, { name: 'latency' }, ({ data }) => handled(data.order_id))
  await events.start()
  const relay = relayOf(2)
  added = () => relay.poke()
  relay.start()
  const took: number[] = []
  for (let id = 1; id <= count; id += 1) {
    const arrived = new Promise<number>((resolve) => {
      handled = (orderId) => orderId === id && resolve(performance.now())
    })
    await db
      .transaction()
      .execute((trx) => events.publish(Placed, { order_id: id, note: 'x'.repeat(200) }, { trx }))
    const committedAt = performance.now()
    took.push((await arrived) - committedAt)
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 100))
  }
  await relay.stop(5000)
  return took
}

say(`rows of ${event.length} bytes, ${rounds} rounds of ${rowsPerRound.toLocaleString('en')}, medians\n`)
for (const [keys, concurrency] of [
  [10_000, 1],
  [10_000, 2],
  [1, 1],
  [1, 2],
] as const) {
  const rates: number[] = []
  for (let round = 0; round < rounds; round += 1) rates.push(await relayRate(keys, concurrency))
  const title = `relayed, ${keys.toLocaleString('en')} key(s), ${concurrency} turn(s) at a time`
  say(`  ${title.padEnd(52)} ${Math.round(at(rates, 0.5)).toLocaleString('en').padStart(8)} /s`)
}

const took = await latencies()
say(
  `\nfrom commit to handler, idle: median ${at(took, 0.5).toFixed(1)} ms, p95 ${at(took, 0.95).toFixed(1)} ms`,
)

await empty()
await fill(2000, 10_000)
const fresh = await claimMs()
await empty()
await fillArchive()
const open = await db.startTransaction().setIsolationLevel('repeatable read').execute()
await sql`select count(*) from outbox`.execute(open)
await leaveDeadRows()
await fill(2000, 10_000)
const beside = await claimMs()
say(
  `\na claim of 1,000 rows: ${fresh.toFixed(2)} ms with an empty archive; ${beside.toFixed(2)} ms (${(beside / fresh).toFixed(2)} times) ` +
    `beside ${archivedRows.toLocaleString('en')} archived rows and ${deadRows.toLocaleString('en')} dead ones under an open transaction`,
)

await open.rollback().execute()
await events.close(1000)
await transports.close()
bare.disconnect()
await db.destroy()
await Promise.all([server.stop(), postgres.stop()])
process.exit(0)
