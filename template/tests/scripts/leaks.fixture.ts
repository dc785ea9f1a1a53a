/** Run by leaks.test.ts in a `bun test` of its own; says which processes and folders that run has. */
import { describe, expect, test } from 'bun:test'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { startService } from '../../../tests/support/process.ts'
import { hasRedis, redisUrl } from '../../../tests/support/redis.ts'

const { LEAK_REPORT: reportFile = '', LEAK_END: end } = process.env

test('reports its servers', async () => {
  const client = new Client({ connectionString: process.env.TEST_DATABASE_URL })
  await client.connect()
  const { rows } = await client.query('show data_directory')
  const data: string = rows[0].data_directory
  const folders = [dirname(data)]
  const pids = [process.pid, Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])]
  await client.end()

  if (hasRedis) {
    const redis = new Redis(redisUrl)
    pids.push(Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]))
    folders.push(String(((await redis.config('GET', 'dir')) as string[])[1]))
    redis.disconnect()
  }
  for (const folder of folders) pids.push(Number(readFileSync(join(folder, 'keeper.pid'), 'utf8')))
  // Nobody closes it: a test that fails does not come to that either.
  pids.push((await startService()).pid)

  writeFileSync(`${reportFile}.unfinished`, JSON.stringify({ pids, folders }))
  renameSync(`${reportFile}.unfinished`, reportFile)
}, 30_000)

describe.skipIf(!hasRedis)('with a Redis', () => {
  test('answers', async () => {
    const redis = new Redis(redisUrl)
    expect(await redis.ping()).toBe('PONG')
    redis.disconnect()
  })
})

test('ends as it is told to', async () => {
  if (end === 'never') await new Promise(() => setInterval(() => {}, 1_000))
  expect(end).toBe('pass')
}, 60_000)
