import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { createEvents, redisTransports } from '@kiln/shared'
import { UserCreated, UserUpdated, UserVerified } from '@kiln/shared/contracts/user'
import { createLifecycle } from '@kiln/shared/lifecycle'
import { createLogger, eventContext } from '@kiln/shared/observability'
import {
  connectDatabase,
  migrateShared,
  postgresInbox,
  postgresReplayJobs,
  postgresStore,
} from '@kiln/shared/postgres'
import { eventConnector } from '@kiln/shared/redis'
import { type ConsumerSettings, type ConsumerTables, settingsVariable } from './consumer-tables.ts'

/**
 * A service that keeps profiles of another service's users, with everything a service author would use: an ordered,
 * transactional subscription, and one that counts what it is delivered.
 */
const settings = JSON.parse(process.env[settingsVariable] ?? '{}') as ConsumerSettings
const { service, redisTimeoutMs: timeoutMs, keepAliveMs } = settings
const { logger, flush } = createLogger({ service, level: 'info', format: 'json' })
const lifecycle = createLifecycle()

function connect(poolMax: number) {
  const db = connectDatabase<ConsumerTables>({
    url: settings.databaseUrl,
    applicationName: service,
    poolMax,
    connectTimeoutMs: 3000,
    statementTimeoutMs: 10_000,
    prepared: true,
    onIdleError: (err) => logger.warn({ err }, 'the database ended an idle connection'),
  })
  lifecycle.opened('database', () => db.destroy())
  return db
}

async function start(): Promise<void> {
  const [db, counting] = [connect(10), connect(4)]
  await migrateShared(db)
  const transports = await redisTransports({
    connect: eventConnector(settings.redisUrl, { name: service, timeoutMs }),
    logger,
    consumer: `${hostname()}:${crypto.randomUUID().slice(0, 8)}`,
    timeoutMs,
    keepAliveMs,
    leaseMs: settings.leaseMs,
    blockMs: settings.blockMs,
    store: postgresStore(db),
    replays: postgresReplayJobs(db),
  })
  lifecycle.opened('transports', () => transports.close())
  const timing = { keepAliveMs, recoverEveryMs: Math.min(15_000, keepAliveMs), markEveryMs: keepAliveMs }
  const events = createEvents({
    service,
    transports,
    logger,
    observer: eventContext(),
    inbox: postgresInbox(db),
    timing,
  })

  const contracts = [UserCreated, UserUpdated, UserVerified]
  const backoff = { baseMs: 100, maxMs: 5000 }
  const profile = { name: 'profile', ordered: true, transactional: true, backoff } as const
  events.subscribe(contracts, profile, async (event, { trx }) => {
    const { source, id, key, type, attempt } = event
    const sequence = Number(event.sequence)
    const { numInsertedOrUpdatedRows: applied = 0n } = await trx
      .insertInto('profiles')
      .values({ key, sequence, type })
      .onConflict((conflict) =>
        conflict.column('key').doUpdateSet({ sequence, type }).where('profiles.sequence', '<', sequence),
      )
      .executeTakeFirstOrThrow()
    const effect = { source, event_id: id, key, sequence, applied: applied > 0n }
    await trx.insertInto('effects').values(effect).execute()
    if (attempt === 1 && shareOf(id) < settings.failing)
      throw new Error('this event fails once, after writing')
  })
  events.subscribe(
    contracts,
    { name: 'count', backoff, attempts: settings.attempts },
    async ({ source, id }) => {
      if (shareOf(id) < settings.slow) await delay(settings.slowMs)
      await counting.insertInto('deliveries').values({ source, event_id: id }).execute()
    },
  )

  lifecycle.opened('consumers', () => events.close(4000))
  await events.start()
  const server = createServer((_, response) => response.end('ready'))
  lifecycle.opened('readiness', () => server.close())
  server.listen(settings.port, '127.0.0.1')
  logger.info('ready')
}

/** From 0 to 1, the same for an event wherever it is handled. */
function shareOf(id: string): number {
  return Number.parseInt(id.slice(0, 6), 16) / 0x1000000
}

async function stop(exitCode: number): Promise<never> {
  const open = await lifecycle.close({ timeoutMs: 6000 })
  for (const { name, error } of open) logger.error({ part: name, err: error }, 'still open')
  await flush()
  process.exit(open.length === 0 ? exitCode : 1)
}

process.on('SIGTERM', () => void stop(0))
await start().catch((err: unknown) => {
  logger.fatal({ err }, 'cannot start')
  return stop(1)
})
