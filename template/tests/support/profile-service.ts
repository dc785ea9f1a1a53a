import { contracts, createRegistry } from '@kiln/shared'
import { workFields } from '@kiln/shared/context'
import { NotificationSend } from '@kiln/shared/contracts/notification'
import { UserCreated } from '@kiln/shared/contracts/user'
import { createLogger, createMetrics, openTelemetry } from '@kiln/shared/observability'
import { connectDatabase, migrateShared } from '@kiln/shared/postgres'
import { openServiceEvents } from '@kiln/shared/service'
import { sql } from 'kysely'

/** A second service, a process of its own: consumes `user.created`, asks its database, publishes a notification. */
const { DATABASE_URL = '', REDIS_URL = '', EVENTS_PREFIX = '' } = process.env
const serviceName = 'profile-service'
const { logger, flush } = createLogger({
  service: serviceName,
  level: 'info',
  format: 'json',
  context: workFields,
})
const { registry } = createMetrics({ service: serviceName, version: '1' })
const limits = { slowQueryMs: 0, slowRequestMs: 0 }
const telemetry = await openTelemetry(process.env, { serviceName, version: '1', ...limits, logger, registry })
const db = connectDatabase({
  url: DATABASE_URL,
  applicationName: serviceName,
  poolMax: 2,
  connectTimeoutMs: 3000,
  statementTimeoutMs: 10_000,
  prepared: true,
  observe: telemetry.queries,
})
await migrateShared(db)
const { events, transports } = await openServiceEvents(
  {
    serviceName,
    redisUrl: REDIS_URL,
    redisTimeoutMs: 2000,
    eventsPrefix: EVENTS_PREFIX,
    eventsMaxBytes: 262_144,
    eventsKeepAliveMs: 20_000,
    eventsRetentionHours: 1,
    eventsRetentionBytes: 1_048_576,
    eventsOverflow: 'refuse',
    eventsWaitReplicas: 0,
    eventsInboxDays: 30,
    eventsArchiveDays: 7,
  },
  {
    db,
    registry: createRegistry(contracts),
    ownedDomains: [],
    logger,
    metrics: registry,
    telemetry,
    record: async () => {},
  },
)
events.subscribe(UserCreated, { name: 'profiles', from: 'beginning' }, async ({ id, data: { user_id } }) => {
  await sql`select count(*) from inbox where event_id = ${id}`.execute(db)
  await events.publish(
    NotificationSend,
    { notification_id: id, user_id, channel: 'email', template: 'welcome', parameters: {} },
    { id: `${id}.welcome` },
  )
  logger.info('profile made')
})
await events.start()
logger.info('ready')
await flush()

await new Promise((resolve) => process.once('SIGTERM', resolve))
await events.close()
await transports.close()
await db.destroy()
await telemetry.close()
process.stdout.write(await registry.metrics())
await flush()
process.exit(0)
