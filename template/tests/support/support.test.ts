import { describe, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { createTestDatabase } from '../../../tests/support/database.ts'
import { createTestKeys, hasRedis, redisUrl } from '../../../tests/support/redis.ts'

describe('a test database', () => {
  test('is a new one each time and is gone after drop', async () => {
    const [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()])
    const client = new Client({ connectionString: one.url })
    await client.connect()
    client.on('error', () => {})
    const { rows } = await client.query('select current_database() as name')

    await Promise.all([one.drop(), other.drop()])

    expect(new URL(one.url).pathname).toBe(`/${rows[0].name}`)
    expect(other.url).not.toBe(one.url)
    await expect(new Client({ connectionString: one.url }).connect()).rejects.toThrow('does not exist')
  })

  test('sorts and folds case by Unicode, whatever the machine has for locales', async () => {
    const database = await createTestDatabase()
    const client = new Client({ connectionString: database.url })
    await client.connect()

    const { rows } = await client.query(
      "select lower('ÄЖ') as folded, current_setting('server_encoding') as encoding",
    )

    expect(rows).toEqual([{ folded: 'äж', encoding: 'UTF8' }])
    await client.end()
    await database.drop()
  })
})

describe.skipIf(!hasRedis)('test keys', () => {
  test('are removed by their prefix and others are left alone', async () => {
    const redis = new Redis(redisUrl)
    const [mine, others] = [createTestKeys(), createTestKeys()]
    await redis.mset(`${mine.prefix}:a`, 1, `${mine.prefix}:b`, 1, `${others.prefix}:a`, 1)

    await mine.drop()

    expect(await redis.exists(`${mine.prefix}:a`, `${mine.prefix}:b`)).toBe(0)
    expect(await redis.exists(`${others.prefix}:a`)).toBe(1)
    await others.drop()
    redis.disconnect()
  })
})

test('what configures a service in the shell does not reach the tests', () => {
  expect(Object.keys(process.env).filter((name) => name.startsWith('SERVICE_'))).toEqual([])
})
