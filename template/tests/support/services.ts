import { findRedisBinary, startPostgres, startRedis } from '@kiln/shared/embedded'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { eventually } from '../../../shared/testing/index.ts'
import { type RunningService, spawnProgram, startService } from '../../../tests/support/process.ts'
import { redisUrl } from '../../../tests/support/redis.ts'
import { startCollector } from './collector.ts'
import { startWithAdmin } from './start-with-admin.ts'

export type Services = Awaited<ReturnType<typeof startServices>>

/** One service for each kind of fault, all of them well; closed in one go. */
export async function startServices() {
  const [ownRedis, ownPostgres, collector] = await Promise.all([
    startRedis({ server: { binary: findRedisBinary() ?? '' } }),
    startPostgres(),
    startCollector(),
  ])
  const small = { SERVICE_EVENTS_RETENTION_BYTES: '1048576' }
  // One after the other: together they would take longer to start than a service may.
  const main = await startWithAdmin(collector.env)
  const redisAway = await startService({
    SERVICE_REDIS_URL: ownRedis.url,
    SERVICE_MAX_CONCURRENT_REQUESTS: '4',
    SERVICE_RATE_LIMIT_ENABLED: 'true',
  })
  const databaseAway = await startService({
    SERVICE_DATABASE_URL: ownPostgres.url,
    SERVICE_DATABASE_POOL_MAX: '1',
    // While its database is slow its requests are to wait, not to be refused.
    SERVICE_BREAKER_FAILURES: '100',
  })
  const full = await startService(small)
  const trimming = await startService({ ...small, SERVICE_EVENTS_OVERFLOW: 'trim' })
  const services = { main, redisAway, databaseAway, full, trimming }
  const again: ReturnType<typeof spawnProgram>[] = []
  const redis = new Redis(redisUrl)
  return {
    ...services,
    ownRedis,
    ownPostgres,
    /** Takes the spans of `main`. */
    collector,
    /** The test's own client of the Redis that all but one use. */
    redis,
    /** Starts a service that has ended once more, in the same environment. */
    async startAgain({ env }: RunningService, ...args: string[]): Promise<ReturnType<typeof spawnProgram>> {
      const started = spawnProgram(['serve', ...args], { env })
      again.push(started)
      await eventually(
        () => {
          if (!started.output.stdout.includes('"msg":"ready"')) throw new Error(started.output.stdout)
        },
        { timeoutMs: 60_000 },
      )
      return started
    },
    async close(): Promise<void> {
      for (const { child } of again) child.kill('SIGKILL')
      await Promise.all(again.map(({ ended }) => ended))
      await main.other.close()
      await Promise.all(Object.values(services).map((service) => service.close()))
      redis.disconnect()
      await collector.close()
      await Promise.all([ownRedis.stop(), ownPostgres.stop()])
    },
  }
}

/** Runs statements in a service's database, in one session that ends with them. */
export async function inDatabase<Result>(
  { env }: RunningService,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client({ connectionString: env.SERVICE_DATABASE_URL ?? '' })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

/** Copies what waits in the outbox so many times, and lets all of it have waited for an hour. */
export async function ageOutbox(service: RunningService, times: number): Promise<void> {
  await inDatabase(service, async (client) => {
    await client.query(
      `insert into outbox (bucket, key, event) select bucket, key, event from outbox, generate_series(1, ${times})`,
    )
    await client.query(`update outbox set created_at = created_at - interval '1 hour'`)
  })
}

/** Holds everything that comes into the stream of users from now on: somebody needs it who never reads. */
export async function holdUsers(redis: Redis, { env }: RunningService): Promise<void> {
  await redis.xgroup('CREATE', `${env.SERVICE_EVENTS_PREFIX}:{user}`, 'other.never-reads', '0', 'MKSTREAM')
}

/** Adds a quarter of a MB so many times to the stream of users. */
export async function fillUsers(redis: Redis, { env }: RunningService, times: number): Promise<void> {
  const data = 'x'.repeat(250_000)
  for (let index = 0; index < times; index++)
    await redis.xadd(`${env.SERVICE_EVENTS_PREFIX}:{user}`, '*', 'data', data)
}
