import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { contracts, createRegistry } from '@kiln/shared'
import { UserUpdated } from '@kiln/shared/contracts/user'
import { openServiceEvents } from '@kiln/shared/service'
import { eventually } from '@kiln/shared/testing'
import { loadConfig } from '../../../../src/config.ts'
import { connectServiceDatabase } from '../../../../src/infrastructure/database/connection.ts'
import { migrateUp } from '../../../../src/infrastructure/database/migrations/index.ts'
import { createTestDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { testEnvironment } from '../../../../tests/support/service.ts'
import { loggedLines } from '../../support/logged-lines.ts'
import { hasRedisServer, type RedisServer, startRedis } from '../events/support/redis-server.ts'

setDefaultTimeout(20_000)

describe.skipIf(!hasRedisServer)('a service whose domain has shards', () => {
  let redis: RedisServer
  let database: TestDatabase

  beforeAll(async () => {
    redis = await startRedis()
    database = await createTestDatabase()
  })
  afterAll(async () => {
    await database.drop()
    await redis.stop()
  })

  test('publishes to all of them, consumes all of them, trims all of them, and tells of a domain that is strange to it', async () => {
    const config = loadConfig(
      testEnvironment({
        SERVICE_DATABASE_URL: database.url,
        SERVICE_REDIS_URL: redis.url,
        SERVICE_EVENTS_SHARDS: 'user=4,uesr=2',
      }),
    )
    const db = connectServiceDatabase(config)
    await migrateUp(db)
    const { logger, lines } = loggedLines({ level: 'warn' })
    const { events, transports, keepRetention } = await openServiceEvents(config, {
      db,
      registry: createRegistry(contracts),
      ownedDomains: ['user'],
      logger,
      record: async () => {},
    })
    expect(lines.map((line) => JSON.parse(line).domains)).toEqual([['uesr']])
    const streams = [0, 1, 2, 3].map((shard) => `events:{user:${shard}}`)
    for (const stream of streams) await redis.client.xadd(stream, '1-1', 'type', 'user.updated')
    const seen = new Set<number>()
    events.subscribe(UserUpdated, { name: 'profile' }, ({ data }) => void seen.add(data.user_id))
    await events.start()

    const users = Array.from({ length: 100 }, (_, n) => n + 1)
    const updated_at = '2026-01-01T00:00:00Z'
    await events.publishMany(
      UserUpdated,
      users.map((user_id) => ({ user_id, changed: ['role'], updated_at })),
    )
    const stop = keepRetention()

    await eventually(() => expect(seen.size).toBe(100))
    const oldest = () =>
      Promise.all(
        streams.map(async (stream) => (await redis.client.xrange(stream, '-', '+', 'COUNT', 1))[0]?.[0]),
      )
    await eventually(async () => expect(await oldest()).not.toContain('1-1'))
    expect((await oldest()).every((id) => id !== undefined)).toBe(true)
    await stop()
    await events.close()
    await transports.close()
    await db.destroy()
  })
})
