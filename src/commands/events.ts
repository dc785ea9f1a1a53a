import { AppError } from '@kiln/shared/errors'
import { createLogger } from '@kiln/shared/observability'
import { eventsConfigKeys, type ServiceEvents } from '@kiln/shared/service'
import type { Environment } from '@kiln/shared/settings'
import { loadConfig } from '../config.ts'
import { declareConsumers } from '../consumers.ts'
import { connectServiceDatabase, databaseConfigKeys } from '../infrastructure/database/connection.ts'
import { openEvents } from '../infrastructure/events.ts'

/** @throws {AppError} `EVENTS_IN_MEMORY`: what lives in the memory of a running service is out of reach. */
export async function withServiceEvents(
  env: Environment,
  stderr: (text: string) => void,
  work: (opened: Pick<ServiceEvents<never>, 'operations' | 'outbox'>) => Promise<void>,
): Promise<void> {
  const config = loadConfig(env, [...eventsConfigKeys, ...databaseConfigKeys])
  if (config.redisUrl === 'memory://') {
    const message = 'The events are in the memory of the running service, where no command can reach them'
    throw new AppError('EVENTS_IN_MEMORY', message)
  }
  const service = config.serviceName
  const { logger } = createLogger({ service, level: 'error', format: 'text', destination: { write: stderr } })
  const db = connectServiceDatabase(config)
  try {
    const { events, transports, operations, outbox } = await openEvents(config, { db, logger })
    try {
      declareConsumers(events)
      await work({ operations, outbox })
    } finally {
      await events.close()
      await transports.close()
    }
  } finally {
    await db.destroy()
  }
}
