import type { HealthProbe } from '@kiln/shared/http'
import type { RedisClient } from '@kiln/shared/redis'
import { sql } from 'kysely'
import type { Database } from './database/connection.ts'

/** Whether the database answers a statement. */
export function databaseProbe(db: Database): HealthProbe {
  return async () => {
    await sql`select 1`.execute(db)
    return { status: 'up' }
  }
}

/** Whether Redis answers; without Redis there is nothing that could be down. */
export function redisProbe(redis: RedisClient | undefined): HealthProbe {
  return async () => {
    if (redis === undefined) return { status: 'up', transport: 'memory' }
    await redis.ping()
    return { status: 'up', transport: 'redis' }
  }
}
