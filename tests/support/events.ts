import { type Envelope, fromFields } from '@kiln/shared'
import { createLogger } from '@kiln/shared/observability'
import { createAnnounce } from '@kiln/shared/service'
import type { Registry } from 'prom-client'
import type { Config } from '../../src/config.ts'
import { declareConsumers } from '../../src/consumers.ts'
import { auditEvents } from '../../src/infrastructure/audit-trail.ts'
import type { Database } from '../../src/infrastructure/database/connection.ts'
import { openEvents } from '../../src/infrastructure/events.ts'

/** The service's events in the test's memory, its consumers running. */
export async function startTestEvents(config: Config, { db, metrics }: { db: Database; metrics: Registry }) {
  const { logger, level: logLevel } = createLogger({ service: 'test', level: 'silent', format: 'json' })
  const record = auditEvents(db)
  const opened = await openEvents({ ...config, redisUrl: 'memory://' }, { logger, metrics, record })
  const { events, transports } = opened
  declareConsumers(events)
  await events.start()
  return {
    ...opened,
    logLevel,
    announce: createAnnounce(events, logger),
    /** Everything published to a domain so far, oldest first, its data parsed. */
    async publishedTo(domain: string): Promise<readonly (Omit<Envelope, 'data'> & { data: unknown })[]> {
      const entries = await transports.streams.range(domain, '0-0', 1000)
      return entries.map(({ fields }) => {
        const envelope = fromFields(fields)
        return { ...envelope, data: JSON.parse(envelope.data) }
      })
    },
    async close(): Promise<void> {
      await opened.live.close()
      await events.close()
      await transports.close()
    },
  }
}
