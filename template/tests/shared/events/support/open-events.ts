import { silentLogger } from '@kiln/shared'
import { createEvents } from '../../../../../shared/events/client.ts'
import type { Events, EventsOptions } from '../../../../../shared/events/events.ts'
import {
  type RedisTransports,
  type RedisTransportsOptions,
  redisTransports,
} from '../../../../../shared/events/redis/transports.ts'
import type { RedisServer } from './redis-server.ts'

export interface OpenOptions extends Partial<RedisTransportsOptions> {
  readonly events?: Partial<EventsOptions>
}

/** One process of a service on a private Redis, quick to notice what its tests do to it. */
export async function openEvents(
  redis: Pick<RedisServer, 'connect'>,
  { events: given = {}, ...options }: OpenOptions,
): Promise<{ readonly events: Events; readonly transports: RedisTransports; end(): Promise<void> }> {
  const { connect } = redis
  const transports = await redisTransports({
    connect,
    logger: silentLogger,
    consumer: 'process',
    keepAliveMs: 100,
    ...options,
  })
  const timing = {
    recoverEveryMs: 50,
    keepAliveMs: 50,
    parkedEveryMs: 50,
    markEveryMs: 50,
    pausedEveryMs: 50,
  }
  const events = createEvents({ service: 'facts', transports, logger: silentLogger, timing, ...given })
  return {
    events,
    transports,
    end: async () => {
      await events.close(1000)
      await transports.close()
    },
  }
}
