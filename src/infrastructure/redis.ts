import type { Logger, Telemetry } from '@kiln/shared/observability'
import { createRedisClient, type RedisClient } from '@kiln/shared/redis'
import type { Breakers } from '@kiln/shared/resilience'
import type { Config } from '../config.ts'

/** The service's Redis client, not yet connected; undefined where events stay in memory. */
export function createServiceRedis(
  config: Pick<Config, 'serviceName' | 'redisUrl' | 'redisTimeoutMs'>,
  {
    logger,
    telemetry,
    breakers,
  }: { logger: Logger; telemetry: Pick<Telemetry, 'redis'>; breakers: Breakers },
): RedisClient | undefined {
  if (config.redisUrl === 'memory://') return undefined
  return createRedisClient(config.redisUrl, {
    name: config.serviceName,
    timeoutMs: config.redisTimeoutMs,
    observer: telemetry.redis,
    breaker: breakers.redis,
    onError: (error) => logger.warn({ err: error }, 'Redis cannot be reached'),
  })
}
