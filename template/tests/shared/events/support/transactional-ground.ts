import { silentLogger } from '@kiln/shared'
import { type Kysely, sql, type Transaction } from 'kysely'
import { createEvents } from '../../../../../shared/events/client.ts'
import type { Events, EventsOptions } from '../../../../../shared/events/events.ts'
import { MemoryBroker } from '../../../../../shared/events/memory/streams.ts'
import { redisTransports } from '../../../../../shared/events/redis/transports.ts'
import { memoryTransports } from '../../../../../shared/events/transports.ts'
import { postgresInbox } from '../../../../../shared/postgres/inbox.ts'
import { type RedisServer, startRedis } from './redis-server.ts'
import { createSharedDatabase } from './shared-database.ts'

export interface Tables {
  readonly effects: { readonly event_id: string; readonly n: number }
}
export type Trx = Transaction<Tables>
export type Options = Partial<EventsOptions<Trx>>

/** A database that notes effects, twice where they happened twice, and an event server of either kind. */
export interface TransactionalGround {
  readonly url: string
  readonly db: Kysely<Tables>
  readonly redis: RedisServer | undefined
  /** One process of a service whose events nobody else sees, unless it is given their `prefix`. */
  open(options?: Options, prefix?: string): Promise<{ readonly events: Events<Trx>; end(): Promise<void> }>
  close(): Promise<void>
}

export async function openGround(kind: 'memory' | 'redis'): Promise<TransactionalGround> {
  const database = await createSharedDatabase()
  const db = database.db as unknown as Kysely<Tables>
  await sql`create table effects (event_id text not null, n integer not null)`.execute(db)
  const redis = kind === 'redis' ? await startRedis() : undefined
  let opened = 0
  return {
    url: database.url,
    db,
    redis,
    async open(options = {}, prefix = `ground-${++opened}`) {
      const transports = redis
        ? await redisTransports({
            connect: redis.connect,
            logger: silentLogger,
            consumer: `process-${++opened}`,
            prefix,
            keepAliveMs: 30,
          })
        : memoryTransports({ broker: new MemoryBroker() })
      const events = createEvents<Trx>({
        service: 'ground',
        transports,
        logger: silentLogger,
        timing: { recoverEveryMs: 20, keepAliveMs: 20, replaysEveryMs: 20 },
        inbox: postgresInbox(db),
        ...options,
      })
      return {
        events,
        end: async () => {
          await events.close(1000)
          await transports.close()
        },
      }
    },
    async close() {
      await redis?.stop()
      await database.close()
    },
  }
}
