import { createEvents, fromFields, redisTransports, silentLogger } from '@kiln/shared'
import { eventConnector } from '@kiln/shared/redis'
import { redisUrl } from '../../../tests/support/redis.ts'

/** Another service on the same events, made with nothing but the shared package. */
export async function startOtherService(prefix: string, url = redisUrl) {
  const transports = await redisTransports({
    connect: eventConnector(url, { name: 'other', timeoutMs: 2000 }),
    logger: silentLogger,
    consumer: 'other',
    prefix,
  })
  const events = createEvents({ service: 'other-service', transports, logger: silentLogger })
  return {
    events,
    transports,
    /** Everything published to a domain so far, oldest first. */
    async publishedTo(domain: string) {
      const entries = await transports.streams.range(domain, '0-0', 10_000)
      return entries.map(({ fields }) => fromFields(fields))
    },
    async close(): Promise<void> {
      await events.close()
      await transports.close()
    },
  }
}
