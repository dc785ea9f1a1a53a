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

/** Whether Redis answers. */
export function redisProbe(redis: RedisClient): HealthProbe {
  return async () => {
    await redis.ping()
    return { status: 'up' }
  }
}
