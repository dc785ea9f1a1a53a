import { randomBytes } from 'node:crypto'
import { createAuth, currentRequest } from '@kiln/shared/http'
import { createLifecycle, type Lifecycle } from '@kiln/shared/lifecycle'
import { createLogger, createMetrics, type Logger, type Logging } from '@kiln/shared/observability'
import { createPasswordHasher } from '@kiln/shared/security'
import packageJson from '../package.json' with { type: 'json' }
import { createApp, createOperationsApp } from './app.ts'
import { runCommandLine, type ServeOptions } from './cli.ts'
import { type Config, loadConfig } from './config.ts'
import {
  connectServiceDatabase,
  type Database,
  withAdministrativeDatabase,
} from './infrastructure/database/connection.ts'
import { migrateUp } from './infrastructure/database/migrations/index.ts'
import { roles } from './infrastructure/database/schema.ts'
import { databaseProbe, redisProbe } from './infrastructure/probes.ts'
import { createServiceRedis } from './infrastructure/redis.ts'
import { clientAddress, listen, onStopSignal, runtimeName } from './runtime.ts'

type Phase = 'starting' | 'ready' | 'draining'

/** Starts the service in order, waits for SIGTERM or SIGINT, stops it in reverse order. Gives the exit code. */
async function serve(config: Config, options: ServeOptions): Promise<number> {
  const stopSignal = firstStopSignal()
  const state: { phase: Phase } = { phase: 'starting' }
  const logging = createLogger({
    service: config.serviceName,
    level: config.logLevel,
    format: config.logFormat,
    context: () => ({ correlation_id: currentRequest()?.correlationId }),
  })
  const { logger } = logging
  const lifecycle = createLifecycle()
  try {
    await start(config, options, { lifecycle, logging, state })
    const signal = await stopSignal
    state.phase = 'draining'
    logger.info({ signal, drain_delay_ms: config.drainDelayMs }, 'stopping')
    await new Promise((resolve) => setTimeout(resolve, config.drainDelayMs))
    return (await stop(lifecycle, config, logger)) ? 0 : 1
  } catch (error) {
    logger.fatal({ err: error }, 'cannot start')
    await stop(lifecycle, config, logger)
    return 1
  } finally {
    logging.flush()
  }
}

interface Process {
  readonly lifecycle: Lifecycle
  readonly logging: Logging
  readonly state: { phase: Phase }
}

async function start(
  config: Config,
  { migrate }: ServeOptions,
  { lifecycle, logging, state }: Process,
): Promise<void> {
  const { logger } = logging
  const metrics = createMetrics({ service: config.serviceName, version: packageJson.version })
  lifecycle.opened('metrics', metrics.close)

  const redis = createServiceRedis(config, { logger })
  lifecycle.opened('redis', () => redis?.disconnect())
  await redis?.connect()
  const db = connectServiceDatabase(config, { logger, registry: metrics.registry })
  lifecycle.opened('database', () => db.destroy())
  const probeDatabase = databaseProbe(db)
  await probeDatabase()
  if (migrate)
    for (const name of await withAdministrativeDatabase(config, migrateUp))
      logger.info({ migration: name }, 'migrated')

  const operations = {
    registry: metrics.registry,
    health: {
      required: { database: probeDatabase },
      optional: redis ? { redis: redisProbe(redis) } : {},
      phase: () => state.phase,
    },
  }
  const frame = {
    clientAddress,
    observers: [logging.accessLog, metrics.observeRequest],
    report: (error: unknown, code: string) => logger.error({ err: error, code }, 'request failed'),
    closing: () => state.phase === 'draining',
    maxBodyBytes: config.maxBodyBytes,
  }
  const { host: hostname, port, operationsPort = port } = config
  const parts = serviceParts(config, db)
  const app = createApp(operationsPort === port ? { ...frame, ...parts, operations } : { ...frame, ...parts })

  const server = await listen(app, { hostname, port })
  lifecycle.opened('requests', server.close)
  if (operationsPort !== port) {
    const operationsServer = await listen(createOperationsApp({ ...frame, operations }), {
      hostname,
      port: operationsPort,
    })
    lifecycle.opened('operations', operationsServer.close)
  }
  state.phase = 'ready'
  logger.info({ port: server.port, version: packageJson.version, runtime: runtimeName }, 'ready')
}

/** @returns whether everything was closed in time. */
async function stop(lifecycle: Lifecycle, config: Config, logger: Logger): Promise<boolean> {
  const open = await lifecycle.close({ timeoutMs: config.shutdownTimeoutMs })
  for (const { name, error } of open)
    logger.error({ part: name, ...(error !== undefined && { err: error }) }, 'still open')
  if (open.length === 0) logger.info('stopped')
  return open.length === 0
}

/** What the routes need of the service, beside their frame. */
function serviceParts(config: Config, db: Database) {
  const {
    serviceName,
    jwtSecretKey,
    jwtAudience = serviceName,
    accessTokenTtlSeconds,
    refreshTokenTtlSeconds,
  } = config
  const auth = createAuth({
    secret: jwtSecretKey,
    issuer: serviceName,
    audience: jwtAudience,
    ttlSeconds: accessTokenTtlSeconds,
    roles,
  })
  return { db, auth, passwords: createPasswordHasher(), refreshTokenTtlSeconds }
}

/** The document of an app that is built, but serves nobody. */
async function openApi(): Promise<unknown> {
  const config = loadConfig({
    SERVICE_DATABASE_URL: 'postgres://localhost/unused',
    SERVICE_REDIS_URL: 'redis://localhost',
    SERVICE_JWT_SECRET_KEY: randomBytes(48).toString('base64'),
  })
  const db = connectServiceDatabase(config)
  const metrics = createMetrics({ service: config.serviceName, version: packageJson.version })
  const app = createApp({
    ...serviceParts(config, db),
    clientAddress,
    observers: [],
    report: () => {},
    closing: () => false,
    maxBodyBytes: config.maxBodyBytes,
    operations: { registry: metrics.registry, health: { required: {}, phase: () => 'ready' } },
  })
  const response = await app.handle(new Request('http://localhost/docs/json'))
  metrics.close()
  return await response.json()
}

/** The first signal asks for an orderly stop, the second ends the process at once. */
function firstStopSignal(): Promise<string> {
  let stopping = false
  return new Promise((resolve) => {
    onStopSignal((signal) => {
      if (stopping) process.exit(1)
      stopping = true
      resolve(signal)
    })
  })
}

async function readStdin(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  return text
}

const exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  readStdin,
  serve,
  openApi,
})
await new Promise((resolve) => process.stdout.write('', resolve))
process.exit(exitCode)
