import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { eventConnector, type RedisClient } from '@kiln/shared/redis'
import { eventually } from '@kiln/shared/testing'
import { RESIGN } from '../../../shared/events/redis/group-scripts.ts'
import { runScript } from '../../../shared/events/redis/run-script.ts'
import { scriptNames } from '../../../shared/events/redis/script-names.ts'
import type { EndedCommand } from '../../../shared/redis-commands.ts'
import { createTestKeys, hasRedis, redisUrl } from '../../../tests/support/redis.ts'

describe.skipIf(!hasRedis)('an observer of Redis', () => {
  const keys = createTestKeys()
  const key = `${keys.prefix}:key`
  const seen: EndedCommand[] = []
  const lost: string[] = []
  let redis: RedisClient
  beforeAll(async () => {
    const observer = {
      command: (ended: EndedCommand) => seen.push(ended),
      reconnecting: (at: string) => lost.push(at),
    }
    redis = eventConnector(redisUrl, { name: 'test', timeoutMs: 2000, observer })('commands', {})
    await redis.ping()
  })
  beforeEach(() => {
    seen.length = 0
  })
  afterAll(async () => {
    redis.disconnect()
    await keys.drop()
  })

  test('is told of a command, and how it failed', async () => {
    await redis.set(key, 'text')
    await redis.incr(key).catch(() => {})

    expect(seen).toMatchObject([
      { name: 'SET', script: undefined, batchSize: 1, error: undefined, blocking: false },
      { name: 'INCR', error: expect.any(Error) },
    ])
    expect(seen[0]?.endedAtMs).toBeGreaterThanOrEqual(seen[0]?.startedAtMs ?? Number.NaN)
  })

  test('is told of a pipeline once, and how long it was', async () => {
    const pipeline = redis.pipeline()
    for (let count = 0; count < 5; count++) pipeline.set(key, count)
    await pipeline.exec()
    await redis.get(key)

    await eventually(() => expect(seen).toHaveLength(2))
    expect(seen).toMatchObject([
      { name: 'SET', batchSize: 5 },
      { name: 'GET', batchSize: 1 },
    ])
  })

  test('is told the name of a script', async () => {
    await runScript(redis, RESIGN, [key], ['nobody'])

    expect(seen[0]).toMatchObject({ name: 'EVALSHA', script: 'resign' })
    expect(new Set(scriptNames.values()).size).toBe(scriptNames.size)
  })

  test('is told what only waited', async () => {
    await redis.xread('BLOCK', 1, 'STREAMS', key.concat(':stream'), '$')

    expect(seen).toMatchObject([{ name: 'XREAD', blocking: true }])
  })

  test('is told that the connection was lost', async () => {
    const id = await redis.client('ID')
    await redis.call('CLIENT', 'KILL', 'ID', id, 'SKIPME', 'no').catch(() => {})

    await eventually(() => expect(lost).toEqual(['commands']))
  })
})
