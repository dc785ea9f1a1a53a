import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
// Deno knows no preload; what is said here is said after it has run.
import './preload.ts'

/** For `describe.skipIf(!hasRedis)`: not every machine has one. */
export const hasRedis = Boolean(process.env.TEST_REDIS_URL)

/** Empty without a Redis. */
export const redisUrl = process.env.TEST_REDIS_URL ?? ''

export interface TestKeys {
  /** Begins every key of one test file; tests share the server, so nobody may flush it. */
  readonly prefix: string
  /** Removes the keys that begin with it. */
  drop(): Promise<void>
}

export function createTestKeys(): TestKeys {
  const prefix = `test-${randomBytes(6).toString('hex')}`
  return { prefix, drop: () => removeKeys(`${prefix}*`) }
}

async function removeKeys(pattern: string): Promise<void> {
  const redis = new Redis(redisUrl)
  try {
    for await (const keys of redis.scanStream({ match: pattern, count: 1_000 })) {
      if (keys.length > 0) await redis.unlink(...keys)
    }
  } finally {
    redis.disconnect()
  }
}
