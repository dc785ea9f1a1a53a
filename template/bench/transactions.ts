import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEvents, defineEvent, memoryTransports } from '@kiln/shared'
import { startPostgres } from '@kiln/shared/embedded'
import { postgresInbox } from '@kiln/shared/postgres'
import { openServiceOutbox } from '@kiln/shared/service'
import { Type } from '@sinclair/typebox'
import { sql, type Transaction } from 'kysely'
import { loadConfig } from '../../src/config.ts'
import { connectServiceDatabase } from '../../src/infrastructure/database/connection.ts'
import { migrateUp } from '../../src/infrastructure/database/migrations/index.ts'
import type { Schema } from '../../src/infrastructure/database/schema.ts'
import { createUser } from '../../src/modules/users/users.ts'

/**
 * What a change costs that is written together with its audit row and its event, beside the same three inserts by
 * pgbench; and what a transactional handler takes of events, one by one and in batches. One process, one private
 * PostgreSQL that need not survive a power cut: the disk is the same for both and says nothing of either.
 */
const rounds = 5
const secondsPerRound = 4
const connections = 10
const eventsPerRound = { batched: 15_000, each: 4_000 }

const postgres = await startPostgres()
const config = loadConfig({
  SERVICE_DATABASE_URL: postgres.url,
  SERVICE_DATABASE_POOL_MAX: String(connections),
  SERVICE_REDIS_URL: 'memory://',
  SERVICE_SINGLE_REPLICA: 'true',
  SERVICE_JWT_SECRET_KEY: crypto.randomUUID() + crypto.randomUUID(),
})
const db = connectServiceDatabase(config)
await migrateUp(db)
await sql`create table handled (order_id integer not null)`.execute(db)
const folder = mkdtempSync(join(tmpdir(), 'bench-'))

/** Blanks after the colons: pgbench would take what follows one for a variable. */
const spaced = (value: unknown) => JSON.stringify(value).replaceAll(':', ' : ')
const threeInserts = `begin;
insert into users (first_name, last_name, email, role)
  values ('Ann', 'Lee', gen_random_uuid() || '@example.com', 'applicant') returning id;
insert into audit_log (actor_type, action, entity, entity_id, after, correlation_id)
  values ('system', 'user.created', 'user', '1', '${spaced({ id: 1, telegram_id: null, first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com', phone: null, role: 'applicant', verified_at: null, created_at: 'then', updated_at: 'then', deactivated_at: null })}', 'x');
insert into outbox (bucket, key, event)
  values (1, 'user/user/1', '${spaced({ specversion: '1.0', id: crypto.randomUUID(), source: 'example-service', type: 'user.created', time: 'then', datacontenttype: 'application/json', dataversion: 2, partitionkey: 'user/1', data: { user_id: 1, full_name: 'Ann Lee', role: 'applicant', created_at: 'then', metadata: {} } })}');
commit;
`
const script = join(folder, 'three-inserts.sql')
writeFileSync(script, threeInserts)

const say = (text: string) => process.stdout.write(`${text}\n`)
const median = (values: readonly number[]) =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] as number

/** Transactions a second, by one client for each connection. @throws {Error} with what pgbench wrote. */
function pgbenchRate(): number {
  const clients = ['--client', String(connections), '--jobs', '2', '--time', String(secondsPerRound)]
  const args = ['--no-vacuum', '--protocol', 'prepared', '--file', script, ...clients, postgres.url]
  const { stdout, stderr, error } = spawnSync('pgbench', args, { encoding: 'utf8' })
  const rate = /tps = ([\d.]+)/.exec(stdout ?? '')?.[1]
  if (rate === undefined) throw new Error(`pgbench: ${error?.message ?? stderr}`)
  return Number(rate)
}

async function createUserRate(): Promise<number> {
  const dependencies = { db, events: openServiceOutbox<Schema>(config) }
  const endsAt = performance.now() + secondsPerRound * 1000
  let count = 0
  const client = async () => {
    while (performance.now() < endsAt) {
      const email = `${crypto.randomUUID()}@example.com`
      await createUser(dependencies, 'system', { first_name: 'Ann', last_name: 'Lee', email })
      count += 1
    }
  }
  await Promise.all(Array.from({ length: connections * 2 }, client))
  return count / secondsPerRound
}

const Placed = defineEvent({
  name: 'order.placed',
  delivery: 'stream',
  key: (order) => `order/${order.order_id}`,
  versions: { 1: Type.Object({ order_id: Type.Integer(), note: Type.String() }) },
})

/** Events a second through the inbox: with one multi-row insert for each batch, or one insert and transaction for each. */
async function handledRate(batched: boolean): Promise<number> {
  const transports = memoryTransports()
  const logger = { debug() {}, info() {}, warn() {}, error() {} }
  const inbox = postgresInbox(db)
  const events = createEvents<Transaction<Schema>>({ service: 'bench', transports, logger, inbox })
  const count = batched ? eventsPerRound.batched : eventsPerRound.each
  const left = { count, done: () => {} }
  const finished = new Promise<void>((resolve) => {
    left.done = resolve
  })
  const took = (handled: number) => {
    left.count -= handled
    if (left.count === 0) left.done()
  }
  const options = { name: 'orders', from: 'beginning', transactional: true } as const
  if (batched) {
    events.subscribeBatch(Placed, options, async (orders, { trx }) => {
      const ids = orders.map(({ data }) => data.order_id)
      await sql`insert into handled select unnest(${ids}::integer[])`.execute(trx)
      took(ids.length)
    })
  } else {
    events.subscribe(Placed, options, async ({ data }, { trx }) => {
      await sql`insert into handled values (${data.order_id})`.execute(trx)
      took(1)
    })
  }
  const note = 'x'.repeat(200)
  await events.publishMany(
    Placed,
    Array.from({ length: count }, (_, order_id) => ({ order_id, note })),
  )
  const startedAt = performance.now()
  await events.start()
  await finished
  const rate = (count * 1000) / (performance.now() - startedAt)
  await events.close()
  await transports.close()
  return rate
}

const rates = { pgbench: [], createUser: [], batched: [], each: [] } as Record<string, number[]>
await createUserRate()
for (let round = 0; round < rounds; round += 1) {
  rates.pgbench?.push(pgbenchRate())
  rates.createUser?.push(await createUserRate())
  rates.batched?.push(await handledRate(true))
  rates.each?.push(await handledRate(false))
}
const of = (name: string) => median(rates[name] ?? [])
const shown = (name: string) => Math.round(of(name)).toLocaleString('en').padStart(8)
say(`medians of ${rounds} interleaved rounds, ${connections} connections\n`)
say(`  begin, three inserts, commit by pgbench           ${shown('pgbench')} /s`)
say(`  createUser: row, audit, outbox                    ${shown('createUser')} /s`)
say(`    of pgbench: ${Math.round((of('createUser') / of('pgbench')) * 100)} %`)
say(`  transactional batches, one multi-row insert each  ${shown('batched')} events/s`)
say(`  a transaction for each event                      ${shown('each')} events/s`)

rmSync(folder, { recursive: true })
await db.destroy()
await postgres.stop()
process.exit(0)
