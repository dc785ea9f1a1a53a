import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { Binaries } from './build.ts'
import { type ConsumerSettings, consumerSchema, settingsVariable } from './consumer-tables.ts'
import type { RunLog } from './log.ts'
import type { Postgres } from './postgres.ts'
import { type Program, type Role, Slot } from './processes.ts'
import { Link } from './proxy.ts'
import type { RedisPair } from './redis.ts'
import type { Timeouts } from './timeouts.ts'

const consumerName = 'chaos-consumer'
const counts: Readonly<Record<Role, number>> = { http: 2, relay: 2, consumer: 3 }

/** How the consumer's handlers behave. */
export type Handlers = Pick<ConsumerSettings, 'failing' | 'slow' | 'slowMs' | 'attempts'>

export interface FleetOptions {
  readonly binaries: Binaries
  readonly postgres: Postgres
  readonly redis: RedisPair
  readonly timeouts: Timeouts
  readonly handlers: Handlers
  readonly log: RunLog
}

/** Every process of the run, each with links of its own to both servers. */
export interface Fleet {
  readonly slots: Readonly<Record<Role, readonly Slot[]>>
  readonly token: string
  stop(): Promise<void>
}

/** Migrates both databases, makes an admin and starts every process. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { binaries, postgres, redis, timeouts, log } = options
  const secret = randomBytes(48).toString('base64')
  const serviceEnv = serviceEnvironment(timeouts, secret)
  const command = (...args: readonly string[]) => {
    const env = { ...serviceEnv(postgres.url('service'), redis.port()), SERVICE_PORT: '0' }
    const { status, stdout, stderr } = spawnSync(binaries.service, [...args], { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${args.join(' ')} failed: ${stderr}`)
    return stdout
  }
  command('migrate', 'up')
  await postgres.query('consumer', consumerSchema)

  const service = (args: readonly string[]): Program => ({
    file: binaries.service,
    args: ['serve', ...args],
    env: (ports) => ({
      ...serviceEnv(postgres.url('service', ports.postgres), ports.redis),
      SERVICE_PORT: String(ports.own),
    }),
  })
  const programs: Readonly<Record<Role, Program>> = {
    http: service(['--roles', 'http']),
    relay: service(['--roles', 'relay,consumers']),
    consumer: consumerProgram(options),
  }
  const links: Link[] = []
  const slotsOf = async (role: Role): Promise<readonly Slot[]> => {
    const slots: Slot[] = []
    for (let number = 1; number <= counts[role]; number += 1) {
      const name = `${role}-${number}`
      const toPostgres = await Link.open(`${name} to postgres`, postgres.port)
      const toRedis = await Link.open(`${name} to redis`, redis.port)
      links.push(toPostgres, toRedis)
      const program = programs[role]
      const { note } = log
      slots.push(
        new Slot({ name, program, postgres: toPostgres, redis: toRedis, logFile: log.fileOf(name), note }),
      )
    }
    return slots
  }
  const slots = {
    http: await slotsOf('http'),
    relay: await slotsOf('relay'),
    consumer: await slotsOf('consumer'),
  }
  const all = Object.values(slots).flat()
  // Before anything is written: a new subscription takes what comes after it.
  for (const slot of slots.consumer) await slot.start()
  const email = 'chaos@example.test'
  const made = JSON.parse(command('users', 'create', '--email', email, '--role', 'admin', '--json'))
  await Promise.all([...slots.http, ...slots.relay].map((slot) => slot.start()))
  const token = await logIn(slots.http[0]?.port ?? 0, { email, password: made.password })
  return {
    slots,
    token,
    async stop() {
      await Promise.all(all.map((slot) => slot.stop()))
      await Promise.all(links.map((link) => link.close()))
    },
  }
}

function serviceEnvironment(timeouts: Timeouts, secret: string) {
  return (databaseUrl: string, redisPort: number): Record<string, string> => ({
    SERVICE_HOST: '127.0.0.1',
    SERVICE_DATABASE_URL: databaseUrl,
    SERVICE_REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    SERVICE_JWT_SECRET_KEY: secret,
    SERVICE_ACCESS_TOKEN_TTL_SECONDS: '86400',
    SERVICE_LOG_LEVEL: 'WARN',
    // The workload is one client.
    SERVICE_RATE_LIMIT_ENABLED: 'false',
    SERVICE_EVENTS_KEEP_ALIVE_MS: String(timeouts.keepAliveMs),
    SERVICE_REDIS_TIMEOUT_MS: String(timeouts.redisTimeoutMs),
    SERVICE_DRAIN_DELAY_MS: String(timeouts.drainDelayMs),
    SERVICE_SHUTDOWN_TIMEOUT_MS: String(timeouts.shutdownTimeoutMs),
  })
}

function consumerProgram({ binaries, postgres, timeouts, handlers }: FleetOptions): Program {
  return {
    file: binaries.consumer,
    args: [],
    env(ports) {
      const { keepAliveMs, leaseMs, blockMs, redisTimeoutMs } = timeouts
      const settings: ConsumerSettings = {
        service: consumerName,
        port: ports.own,
        databaseUrl: postgres.url('consumer', ports.postgres),
        redisUrl: `redis://127.0.0.1:${ports.redis}`,
        keepAliveMs,
        leaseMs,
        blockMs,
        redisTimeoutMs,
        ...handlers,
      }
      return { [settingsVariable]: JSON.stringify(settings) }
    },
  }
}

async function logIn(port: number, admin: { email: string; password: string }): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(admin),
  })
  const { access_token: token } = (await response.json()) as { access_token: string }
  return token
}
