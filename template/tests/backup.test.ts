import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { eventually } from '@kiln/shared/testing'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { logInAdmin, type RunningService, startService, underTest } from '../../tests/support/process.ts'
import { createTestKeys, hasRedis, redisUrl } from '../../tests/support/redis.ts'
import { postgresPrograms, startDebianPostgres } from './support/debian-postgres.ts'
import { startOtherService } from './support/other-service.ts'

setDefaultTimeout(120_000)

const page = readFileSync(resolve(import.meta.dirname, '../../docs/OPERATE.md'), 'utf8')
const commands = (info: string) =>
  new RegExp(`\`\`\`sh ${info}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? 'false'

// Where it must run, it fails without its programs.
const runs = process.env.CI === 'true' || (hasRedis && postgresPrograms !== undefined)

describe.skipIf(!runs)('a service whose parts are processes of their own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'backup-'))
  const keys = createTestKeys()
  const programs = postgresPrograms ?? ''
  let server: Awaited<ReturnType<typeof startDebianPostgres>>
  let other: Awaited<ReturnType<typeof startOtherService>>
  let url = ''
  let processes: RunningService[] = []
  beforeAll(async () => {
    server = await startDebianPostgres(programs)
    other = await startOtherService(keys.prefix)
  })
  afterEach(async () => {
    for (const { close } of processes.splice(0)) await close()
  })
  afterAll(async () => {
    await other.close()
    await server.close()
    await keys.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** The rows of a statement, in the service's database or, given one, in another. */
  async function query(statement: string, database = url): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({ connectionString: database })
    await client.connect()
    try {
      return (await client.query(statement)).rows
    } finally {
      await client.end()
    }
  }

  async function emptyDatabase(): Promise<void> {
    await query('drop database if exists orders with (force)', server.url)
    await query('create database orders', server.url)
    url = server.url.replace(/postgres$/, 'orders')
  }

  async function start(...args: string[]): Promise<RunningService> {
    const settings = {
      SERVICE_DATABASE_URL: url,
      SERVICE_EVENTS_PREFIX: keys.prefix,
      SERVICE_DATABASE_POOL_MAX: '1',
    }
    const started = await startService(settings, ['serve', ...args])
    processes.push(started)
    return started
  }

  async function stopAll(): Promise<void> {
    for (const { signal } of processes) signal('SIGTERM')
    for (const { ended } of processes) expect((await ended).exitCode).toBe(0)
    for (const { close } of processes) await close()
    processes = []
  }

  /** Runs what stands on the page, as a person would, where the environment of the service is. */
  function run(script: string, { env }: Pick<RunningService, 'env'>) {
    const program = underTest.map((word) => `'${word}'`).join(' ')
    const { status, stderr } = spawnSync(
      'bash',
      ['-euo', 'pipefail', '-c', `service() { ${program} "$@"; }\n${script}`],
      {
        cwd: folder,
        encoding: 'utf8',
        env: { ...env, SERVICE_DATABASE_URL: url, PATH: `${programs}${delimiter}${process.env.PATH}` },
      },
    )
    return { status, stderr }
  }

  async function createUser(service: RunningService, name: string): Promise<number> {
    const answer = await fetch(`${service.url}/api/users`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${await logInAdmin(service)}`,
      },
      body: JSON.stringify({ first_name: name }),
    })
    expect(answer.status).toBe(201)
    return ((await answer.json()) as { id: number }).id
  }

  /** What other services have been told of a user, once they have been told so often. */
  const told = (user: number, times: number) =>
    eventually(async () => {
      const events = await other.publishedTo('user')
      const about = events.filter(({ data }) => JSON.parse(data).user_id === user)
      expect(about).toHaveLength(times)
      return about
    })

  /** As Redis does with time: backups are older than a few minutes. */
  async function forgetWhatWasSent(): Promise<void> {
    const redis = new Redis(redisUrl)
    const forgotten = await redis.del(`${keys.prefix}:{user}:seen`)
    redis.disconnect()
    expect(forgotten).toBe(1)
  }

  test('is brought back by the commands of docs/OPERATE.md, and goes on', async () => {
    await emptyDatabase()
    const http = await start('--migrate', '--roles', 'http')
    const relayed = await createUser(http, 'Ann')
    await start('--roles', 'relay')
    await told(relayed, 1)
    // A relay that ended between sending and marking would send it again.
    await eventually(async () => expect(await query('select from outbox')).toEqual([]))
    await processes.pop()?.close()
    // Nobody sends this one before the backup.
    const waiting = await createUser(http, 'Bob')
    const backup = run(commands('backup'), http)
    await start('--roles', 'relay')
    const since = await createUser(http, 'Cid')
    const [before] = await told(since, 1)
    await stopAll()
    await emptyDatabase()
    await forgetWhatWasSent()

    const restore = run(commands('restore'), http)

    expect(backup).toEqual({ status: 0, stderr: '' })
    expect(restore.status).toBe(0)
    const again = await start()
    expect(await query('select first_name from users order by id')).toEqual(
      ['Admin', 'Ann', 'Bob'].map((first_name) => ({ first_name })),
    )
    const next = await createUser(again, 'Dan')
    const [after] = await told(next, 1)
    expect(next).toBeGreaterThan(since)
    expect(Number(after?.sequence)).toBeGreaterThan(Number(before?.sequence))
    const twice = await told(waiting, 2)
    expect(new Set(twice.map(({ id }) => id)).size).toBe(1)
    expect(await told(relayed, 1)).toHaveLength(1)
    expect((await again.command(['migrate', 'status'])).exitCode).toBe(0)
    await expect(query('delete from audit_log')).rejects.toThrow()
    await stopAll()
  })

  test('takes the connections of its pools, and one more where it relays', async () => {
    await emptyDatabase()
    await start('--migrate', '--roles', 'http')
    await stopAll()
    const connections = async (...roles: string[]) => {
      const service = await start('--roles', roles.join())
      const seen = await eventually(async () => {
        await fetch(`${service.url}/health`)
        const counted = await query(
          `select application_name as name, count(*)::int from pg_stat_activity
           where datname = 'orders' and pid <> pg_backend_pid() group by 1 order by 1`,
        )
        expect(counted).toContainEqual({ name: 'example-service', count: 1 })
        expect(counted).toHaveLength(roles.includes('relay') ? 2 : 1)
        return counted.reduce((sum, { count }) => sum + Number(count), 0)
      })
      await stopAll()
      return seen
    }

    expect(await connections('http')).toBe(1)
    expect(await connections('consumers')).toBe(1)
    expect(await connections('relay')).toBe(2)
    expect(await connections('http', 'consumers', 'relay')).toBe(2)
  })
})
