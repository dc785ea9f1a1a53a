import { type Envelope, fromFields } from '@kiln/shared'
import { createLogger, type Logging } from '@kiln/shared/observability'
import { sql } from 'kysely'
import type { Registry } from 'prom-client'
import type { Config } from '../../src/config.ts'
import { declareConsumers } from '../../src/consumers.ts'
import type { Database } from '../../src/infrastructure/database/connection.ts'
import { openEvents } from '../../src/infrastructure/events.ts'

/** An event whose data is parsed. */
type SeenEvent = Omit<Envelope, 'data'> & { readonly data: unknown }

export interface TestEventsParts {
  /** In place of the test's memory. */
  readonly redisUrl?: string
  /** In place of the service's own. */
  readonly declare?: typeof declareConsumers
  /** Default: nothing is logged. */
  readonly logging?: Logging
}

/** The service's events in the test's memory, its consumers running. */
export async function startTestEvents(
  config: Config,
  { db, metrics }: { db: Database; metrics: Registry },
  {
    redisUrl = 'memory://',
    declare = declareConsumers,
    logging = createLogger({ service: 'test', level: 'silent', format: 'json' }),
  }: TestEventsParts = {},
) {
  const { logger, level: logLevel } = logging
  const opened = await openEvents({ ...config, redisUrl }, { db, logger, metrics })
  const { events, transports } = opened
  declare(events)
  await events.start()
  return {
    ...opened,
    logLevel,
    /** Everything published to a domain so far, oldest first. */
    async publishedTo(domain: string): Promise<readonly SeenEvent[]> {
      const entries = await transports.streams.range(domain, '0-0', 1000)
      return entries.map(({ fields }) => {
        const envelope = fromFields(fields)
        return { ...envelope, data: JSON.parse(envelope.data) }
      })
    },
    /** Everything in the outbox for a domain, oldest first: no relay runs here. */
    async inOutbox(domain: string): Promise<readonly SeenEvent[]> {
      const { rows } = await sql<{ event: SeenEvent }>`
        select event from outbox where event ->> 'type' like ${`${domain}.%`} order by id`.execute(db)
      return rows.map(({ event }) => event)
    },
    async close(): Promise<void> {
      await opened.live.close()
      await events.close()
      await transports.close()
    },
  }
}
