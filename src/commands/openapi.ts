import { randomBytes } from 'node:crypto'
import { createLimits } from '@kiln/shared/http'
import { createLogger, createMetrics } from '@kiln/shared/observability'
import packageJson from '../../package.json' with { type: 'json' }
import { createApp, serviceParts } from '../app.ts'
import { loadConfig } from '../config.ts'
import { connectServiceDatabase } from '../infrastructure/database/connection.ts'
import { openEvents } from '../infrastructure/events.ts'
import { clientAddress } from '../runtime.ts'

/** The OpenAPI document, of an app that is built, but serves nobody. */
export async function openApi(): Promise<unknown> {
  const config = loadConfig({
    SERVICE_DATABASE_URL: 'postgres://localhost/unused',
    SERVICE_REDIS_URL: 'memory://',
    SERVICE_SINGLE_REPLICA: 'true',
    SERVICE_JWT_SECRET_KEY: randomBytes(48).toString('base64'),
  })
  const db = connectServiceDatabase(config)
  const { logger, level: logLevel } = createLogger({
    service: config.serviceName,
    level: 'silent',
    format: 'json',
  })
  const { events, operations: eventOperations, live } = await openEvents(config, { db, logger })
  const metrics = createMetrics({ service: config.serviceName, version: packageJson.version })
  const app = createApp({
    ...serviceParts(config, db),
    events,
    longLived: { eventOperations, live, logLevel },
    clientAddress,
    observers: [],
    report: () => {},
    closing: () => false,
    web: config,
    timeoutMs: config.requestTimeoutMs,
    limits: createLimits(config),
    operations: { registry: metrics.registry, health: { required: {}, phase: () => 'ready' } },
  })
  const response = await app.handle(new Request('http://localhost/docs/json'))
  metrics.close()
  return await response.json()
}
