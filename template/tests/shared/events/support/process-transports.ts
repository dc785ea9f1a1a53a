import { silentLogger } from '@kiln/shared'
import { Redis } from 'ioredis'
import {
  type RedisTransportsOptions,
  redisTransports,
} from '../../../../../shared/events/redis/transports.ts'

/** The transports of a program that a test starts and kills, on the private Redis at a port. */
export function processTransports(
  port: string | undefined,
  options: Pick<RedisTransportsOptions, 'prefix' | 'keepAliveMs' | 'leaseMs' | 'blockMs'> = {},
) {
  return redisTransports({
    connect: (_purpose, given) => new Redis(Number(port), '127.0.0.1', given as object),
    logger: silentLogger,
    consumer: `process-${process.pid}`,
    ...options,
  })
}
