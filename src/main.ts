import type { Events } from '@kiln/shared'
import { workFields } from '@kiln/shared/context'
import { clientAddressOf, createLimits, eventHealth, outboxHealth } from '@kiln/shared/http'
import { createLifecycle, type Lifecycle } from '@kiln/shared/lifecycle'
import {
  createLogger,
  createMetrics,
  type Logger,
  type Logging,
  limitMetrics,
  openTelemetry,
} from '@kiln/shared/observability'
import { createBreakers } from '@kiln/shared/resilience'
import { createAccessHints } from '@kiln/shared/service'
import type { AnyElysia } from 'elysia'
import packageJson from '../package.json' with { type: 'json' }
import { createApp, createOperationsApp, serviceParts } from './app.ts'
import { runCommandLine, type ServeOptions } from './cli.ts'
import { openApi } from './commands/openapi.ts'
import type { Config } from './config.ts'
import { declareConsumers } from './consumers.ts'
import { connectServiceDatabase, withAdministrativeDatabase } from './infrastructure/database/connection.ts'
import { migrateUp } from './infrastructure/database/migrations/index.ts'
import { openEvents } from './infrastructure/events.ts'
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
    context: workFields,
  })
  const { logger } = logging
  process.on('SIGUSR2', logging.level.toggleDebug)
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
    await logging.flush()
  }
}

interface Process {
  readonly lifecycle: Lifecycle
  readonly logging: Logging
  readonly state: { phase: Phase }
}

async function start(
  config: Config,
  { migrate, roles: taken }: ServeOptions,
  { lifecycle, logging, state }: Process,
): Promise<void> {
  const { logger } = logging
  const metrics = createMetrics({ service: config.serviceName, version: packageJson.version })
  lifecycle.opened('metrics', metrics.close)
  const { registry } = metrics
  const { version } = packageJson
  const telemetry = await openTelemetry(process.env, { ...config, version, logger, registry })
  lifecycle.opened('telemetry', telemetry.close)

  const breakers = createBreakers({
    ...config,
    registry,
    changed: (breaker, state) => logger.warn({ breaker, state }, 'breaker'),
  })
  const redis = createServiceRedis(config, { logger, telemetry, breakers })
  lifecycle.opened('redis', () => redis?.disconnect())
  const db = connectServiceDatabase(config, { logger, registry, telemetry, breakers })
  lifecycle.opened('database', () => db.destroy())
  const probeDatabase = databaseProbe(db)
  // Servers answer while the routes are built, which takes as long.
  const connected = Promise.all([redis?.connect(), probeDatabase()])
  connected.catch(() => {})

  const serviceEvents = await openEvents(config, { db, logger, metrics: registry, telemetry })
  const { events, transports, live, system, operations: eventOperations } = serviceEvents
  lifecycle.opened('events', () => transports.close())
  declareConsumers(events)

  const operations = {
    registry,
    health: {
      required: { database: probeDatabase },
      optional: {
        ...(redis && { redis: redisProbe(redis) }),
        events: eventHealth({ events, transports }),
        outbox: outboxHealth(serviceEvents.outbox.status),
        breakers: breakers.health,
      },
      phase: () => state.phase,
    },
  }
  const observer = limitMetrics(registry)
  const limits = createLimits({ ...config, redis, logger, observer })
  lifecycle.opened('limits', limits.close)
  const service = serviceParts(config, db, (err) => logger.warn({ err }, 'ended logins cannot be read'))
  const hints = createAccessHints({ events, transports, endedLogins: service.endedLogins, logger })
  const { trustedProxies } = config
  const frame = {
    limits,
    clientAddress: clientAddressOf({ peerAddress: clientAddress, trustedProxies, logger }),
    observers: [logging.accessLog, metrics.observeRequest, ...telemetry.requests, hints.observeRequest],
    sampler: telemetry.sampler,
    report(error: unknown, code: string) {
      logger.error({ err: error, code }, 'request failed')
      system.failed(error, code)
    },
    closing: () => state.phase === 'draining',
    web: config,
    timeoutMs: config.requestTimeoutMs,
  }
  const { host, port, operationsPort = port, operationsHost = host, tlsCertFile, tlsKeyFile } = config
  const parts = { ...service, events, longLived: { eventOperations, live, logLevel: logging.level } }
  const together = operationsPort === port
  const app = taken.includes('http') && createApp({ ...frame, ...parts, ...(together && { operations }) })

  await connected
  if (migrate)
    for (const name of await withAdministrativeDatabase(config, migrateUp))
      logger.info({ migration: name }, 'migrated')
  if (app) lifecycle.opened('ended logins', service.endedLogins.start())
  if (app) lifecycle.opened('hints of ended access', await hints.start())
  if (taken.includes('relay')) lifecycle.opened('relay', serviceEvents.keepRelaying())
  if (taken.includes('consumers')) {
    lifecycle.opened('retention', serviceEvents.keepRetention())
    lifecycle.opened('consumers', () => stopConsuming(events, config))
    await events.start()
  }

  const ports: number[] = []
  const serve = async (name: string, app: AnyElysia, options: Parameters<typeof listen>[1]) => {
    const server = await listen(app, options)
    lifecycle.opened(name, server.close)
    ports.push(server.port)
  }
  const tls = tlsCertFile !== undefined &&
    tlsKeyFile !== undefined && {
      tls: { certFile: tlsCertFile, keyFile: tlsKeyFile, logger },
    }
  if (app) await serve('requests', app, { hostname: host, port, ...tls })
  if (!together || !app) {
    const operationsApp = createOperationsApp({ ...frame, operations })
    await serve('operations', operationsApp, { hostname: operationsHost, port: operationsPort })
  }
  // Requests that never end by themselves: closed before the server waits for them.
  lifecycle.opened('live events', live.close)
  state.phase = 'ready'
  lifecycle.opened('health events', system.watchHealth(operations.health))
  logger.info({ port: ports[0], version, runtime: runtimeName }, 'ready')
}

/** @returns whether everything was closed in time. */
async function stop(lifecycle: Lifecycle, config: Config, logger: Logger): Promise<boolean> {
  const open = await lifecycle.close({ timeoutMs: config.shutdownTimeoutMs })
  for (const { name, error } of open)
    logger.error({ part: name, ...(error !== undefined && { err: error }) }, 'still open')
  if (open.length === 0) logger.info('stopped')
  return open.length === 0
}

/** @throws naming the events whose handlers did not end in time. */
async function stopConsuming(events: Events, { shutdownTimeoutMs }: Config): Promise<void> {
  const running = await events.close(shutdownTimeoutMs * 0.8)
  if (running.length > 0) throw new Error(`still handled: ${running.join(', ')}`)
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

/** Settles when a reader, however slow, has taken everything. */
let printed: Promise<unknown> = Promise.resolve()

function print(text: string): void {
  printed = new Promise((resolve) => process.stdout.write(text, resolve))
}

const exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  stdout: print,
  stderr: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  readStdin,
  serve,
  openApi,
})
await printed
process.exit(exitCode)
