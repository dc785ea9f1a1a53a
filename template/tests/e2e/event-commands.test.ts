import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { eventually } from '@kiln/shared/testing'
import { Client } from 'pg'
import packageJson from '../../../package.json' with { type: 'json' }
import { buildRequest } from '../../../tests/support/build-request.ts'
import {
  type RunningService,
  runProgram,
  spawnProgram,
  startService,
} from '../../../tests/support/process.ts'
import { hasRedis } from '../../../tests/support/redis.ts'
import { testEnvironment } from '../../../tests/support/service.ts'
import { startOtherService } from '../support/other-service.ts'

setDefaultTimeout(60_000)

describe.skipIf(!hasRedis)('events at the command line', () => {
  let service: RunningService
  let other: Awaited<ReturnType<typeof startOtherService>>
  beforeAll(async () => {
    service = await startService()
    other = await startOtherService(service.env.SERVICE_EVENTS_PREFIX ?? '')
  })
  afterAll(async () => {
    await other.close()
    await service.close()
  })

  const events = (...args: string[]) => service.command(['events', ...args])
  const json = async <Value>(...args: string[]) => {
    const { exitCode, stdout, stderr } = await events(...args, '--json')
    if (exitCode !== 0) throw new Error(stderr)
    return JSON.parse(stdout) as Value
  }
  const dead = () => json<{ id: string; type: string; reason: string }[]>('dead', 'notify-dispatcher')
  const poison = (type: string, count: number) =>
    other.transports.streams.append(
      'request',
      Array.from({ length: count }, () => ['specversion', '1.0', 'type', type, 'data', '{']),
    )
  const audited = async () => {
    const client = new Client({ connectionString: service.env.SERVICE_DATABASE_URL ?? '' })
    await client.connect()
    const { rows } = await client.query('select actor_type, action from audit_log order by id')
    await client.end()
    return rows as { actor_type: string; action: string }[]
  }

  test('lag lists subscriptions, for people and for programs', async () => {
    const text = await events('lag')
    const rows = await json('lag')

    expect(text.stdout).toMatch(/^SUBSCRIPTION +STATE +LAG .*\nnotify-dispatcher +running +0 /)
    expect(rows).toMatchObject([
      { subscription: 'notify-dispatcher', state: 'running', lag: 0, dead_letters: 0 },
    ])
  })

  test('pause stops the running service from reading, resume lets it go on', async () => {
    const paused = await events('pause', 'notify-dispatcher')
    const while_ = await json<{ state: string }[]>('lag')
    const resumed = await json('resume', 'notify-dispatcher')

    expect(paused.stdout).toBe('notify-dispatcher is paused\n')
    expect(while_).toMatchObject([{ state: 'paused' }])
    expect(resumed).toEqual({ subscription: 'notify-dispatcher', paused: false })
    expect(await audited()).toEqual([
      { actor_type: 'command-line', action: 'events.pausing' },
      { actor_type: 'command-line', action: 'events.paused' },
      { actor_type: 'command-line', action: 'events.resuming' },
      { actor_type: 'command-line', action: 'events.resumed' },
    ])
  })

  test('dead letters are listed, shown, redriven and purged', async () => {
    await poison('request.created', 3)
    const letters = await eventually(async () => {
      const found = await dead()
      expect(found).toHaveLength(3)
      return found
    })
    const [first, second] = letters

    const text = await events('dead', 'notify-dispatcher')
    const shown = await events('dead', 'notify-dispatcher', first?.id ?? '')
    const redriven = await json('dead', 'notify-dispatcher', first?.id ?? '', '--redrive')
    const careless = await events('dead', 'notify-dispatcher', '--purge')
    const purged = await json('dead', 'notify-dispatcher', second?.id ?? '', '--purge')
    await eventually(async () => expect(await dead()).toHaveLength(2))
    const rest = await events('dead', 'notify-dispatcher', '--all', '--purge')

    expect(text.stdout).toContain('EVENT_UNDECODABLE')
    expect(JSON.parse(shown.stdout)).toMatchObject({ id: first?.id, fields: { data: '{' } })
    expect(redriven).toEqual({ subscription: 'notify-dispatcher', redriven: 1 })
    expect(careless).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--all') })
    expect(purged).toEqual({ subscription: 'notify-dispatcher', purged: 1 })
    expect(rest.stdout).toBe('purged 2\n')
  })

  test('what is parked is listed', async () => {
    const fields = ['specversion', '1.0', 'id', 'p1', 'source', 'new', 'type', 'request.created']
    await other.transports.streams.append('request', [[...fields, 'dataversion', '9', 'data', '{}']])

    await eventually(async () => {
      const rows = await json('parked', 'notify-dispatcher')
      expect(rows).toMatchObject([{ type: 'request.created', version: 9, event_id: 'p1' }])
    })
  })

  test('a replay is counted, run by the service, followed to its end, and listed', async () => {
    await other.events.publishMany(
      RequestCreated,
      Array.from({ length: 3 }, () => buildRequest()),
    )
    await eventually(async () => expect(await other.publishedTo('notification')).toHaveLength(3))

    const dry = await events('replay', 'notify-dispatcher', '--last', '2', '--dry-run')
    const run = await events('replay', 'notify-dispatcher', '--last', '2', '--event', 'request.created')
    const listed = await json<{ status: string; done: number; total: number }[]>('replay', '--list')

    expect(dry).toMatchObject({ exitCode: 0, stdout: 'would handle 2\n' })
    expect(run).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('handled 0 of 2') })
    expect(run.stdout).toMatch(/^replay [\w-]+: done, 2 of 2\n$/)
    expect(listed).toMatchObject([{ status: 'done', done: 2, total: 2 }])
    // Published again with the ids they had, so they are not sent again.
    expect(await other.publishedTo('notification')).toHaveLength(3)
  })

  test('a replay is cancelled', async () => {
    const { id } = await json<{ id: string }>('replay', 'notify-dispatcher', '--rate', '1', '--no-wait')

    const cancelled = await events('replay', '--cancel', id)
    const again = await events('replay', '--cancel', id)

    expect(cancelled.stdout).toBe(`cancelled ${id}\n`)
    expect(again.stdout).toBe(`${id} was over already\n`)
  })

  test.each([
    ['a subscription that nobody declared', ['pause', 'nobody'], 1, 'no subscription is named nobody'],
    ['a replay of one', ['replay', 'nobody'], 1, 'nobody'],
    ['a time that is none', ['dead', 'x', '--from', 'soon'], 2, 'A time looks like'],
    ['a count that is none', ['dead', 'x', '--limit', '0'], 2, 'from 1'],
    ['a replay of nothing', ['replay'], 2, 'missing required argument'],
  ])('%s is refused', async (_, args, exitCode, reason) => {
    const outcome = await events(...args)

    expect(outcome).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(reason) })
  })
})

describe('events at the command line, without Redis', () => {
  test('what is in the memory of a service is out of reach, and they say so', async () => {
    const env = testEnvironment({ SERVICE_REDIS_URL: 'memory://', SERVICE_DEBUG: 'true' })

    const outcome = await runProgram(['events', 'lag'], { env })

    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' })
    expect(outcome.stderr).toBe(
      'The events are in the memory of the running service, where no command can reach them (EVENTS_IN_MEMORY)\n',
    )
  })

  test('a Redis that does not answer is a failure, within its timeout', async () => {
    const env = testEnvironment({ SERVICE_REDIS_TIMEOUT_MS: '300' })

    const outcome = await runProgram(['events', 'lag', '--json'], { env })

    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' })
    expect(outcome.stderr).toContain('ECONNREFUSED')
  })

  test('schemas needs no setting', async () => {
    const text = await runProgram(['events', 'schemas'])
    const schemas = await runProgram(['events', 'schemas', '--json'])

    expect(text.stdout).toMatch(/user\.created +stream +2\n/)
    expect(JSON.parse(schemas.stdout)['user.created.v2']).toMatchObject({ type: 'object' })
  })
})

describe.skipIf(!hasRedis)('a service that was renamed', () => {
  test('does not start until it has taken over what belongs to its old name', async () => {
    const service = await startService()
    const env = { ...service.env, SERVICE_PORT: '0', SERVICE_SERVICE_NAME: 'renamed-service' }
    service.signal('SIGTERM')
    await service.ended

    const before = await runProgram(['serve'], { env })
    const moved = await runProgram(['events', 'rename-owner', packageJson.name, '--json'], { env })
    const after = spawnProgram(['serve'], { env })
    await eventually(() => expect(after.output.stdout).toContain('"msg":"ready"'))
    after.child.kill('SIGTERM')
    const { exitCode } = await after.ended
    await service.close()

    expect(before.exitCode).toBe(1)
    expect(before.stdout).toContain('events rename-owner')
    expect(JSON.parse(moved.stdout)).toMatchObject([
      { subscription: 'notify-dispatcher', group: 'renamed-service.notify-dispatcher', pending: 0 },
    ])
    expect(exitCode).toBe(0)
  })
})
