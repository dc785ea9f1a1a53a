import type { Logger } from '@kiln/shared/observability'
import { createRedisClient, type RedisClient } from '@kiln/shared/redis'
import type { Config } from '../config.ts'

/** The service's Redis client, not yet connected; undefined where events stay in memory. */
export function createServiceRedis(
  config: Pick<Config, 'serviceName' | 'redisUrl' | 'redisTimeoutMs'>,
  { logger }: { logger: Logger },
): RedisClient | undefined {
  if (config.redisUrl === 'memory://') return undefined
  return createRedisClient(config.redisUrl, {
    name: config.serviceName,
    timeoutMs: config.redisTimeoutMs,
    onError: (error) => logger.warn({ err: error }, 'Redis cannot be reached'),
  })
}
