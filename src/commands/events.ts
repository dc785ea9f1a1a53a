import type { EventOperations } from '@kiln/shared'
import { AppError } from '@kiln/shared/errors'
import { createLogger } from '@kiln/shared/observability'
import { eventsConfigKeys } from '@kiln/shared/service'
import type { Environment } from '@kiln/shared/settings'
import { loadConfig } from '../config.ts'
import { declareConsumers } from '../consumers.ts'
import { auditEvents } from '../infrastructure/audit-trail.ts'
import { connectServiceDatabase, databaseConfigKeys } from '../infrastructure/database/connection.ts'
import { openEvents } from '../infrastructure/events.ts'

export interface EventCommandOptions {
  /** What somebody needs to see beside the result. */
  readonly stderr: (text: string) => void
  /** Whether a row in the audit trail will say what was done; only then the database is asked for. */
  readonly changes: boolean
}

/** @throws {AppError} `EVENTS_IN_MEMORY`: what lives in the memory of a running service is out of reach. */
export async function withServiceEvents(
  env: Environment,
  work: (operations: EventOperations) => Promise<void>,
  { stderr, changes }: EventCommandOptions,
): Promise<void> {
  const config = loadConfig(env, eventsConfigKeys)
  if (config.redisUrl === 'memory://') {
    const message = 'The events are in the memory of the running service, where no command can reach them'
    throw new AppError('EVENTS_IN_MEMORY', message)
  }
  const db = changes ? connectServiceDatabase(loadConfig(env, databaseConfigKeys)) : undefined
  const { logger } = createLogger({
    service: config.serviceName,
    level: 'error',
    format: 'text',
    destination: { write: stderr },
  })
  try {
    const record = db ? auditEvents(db) : () => Promise.reject(new Error('nothing was to be changed'))
    const { events, transports, operations } = await openEvents(config, { logger, record })
    try {
      declareConsumers(events)
      await work(operations)
    } finally {
      await events.close()
      await transports.close()
    }
  } finally {
    await db?.destroy()
  }
}
