import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { findRedisBinary, startRedis } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { startService } from '../../../tests/support/process.ts'
import { hasRedis } from '../../../tests/support/redis.ts'
import { startWithAdmin } from '../support/start-with-admin.ts'

setDefaultTimeout(60_000)

type Service = Awaited<ReturnType<typeof startWithAdmin>>

async function create(service: Service, first_name: string): Promise<number> {
  const response = await service.call('POST', '/api/users', { first_name })
  expect(response.status).toBe(201)
  return ((await response.json()) as { id: number }).id
}

/** The types of what was published about a user. */
async function publishedAbout(service: Service, id: number): Promise<readonly string[]> {
  const found = await service.other.publishedTo('user')
  return found.filter(({ partitionkey }) => partitionkey === `user/${id}`).map(({ type }) => type)
}

const health = async ({ url }: Service) => (await fetch(`${url}/health`)).json()

describe.skipIf(!findRedisBinary())('the outbox of the running service', () => {
  test('keeps what happens while Redis is away, and sends it once it is back', async () => {
    const redis = await startRedis({ server: { binary: findRedisBinary() ?? '' } })
    const service = await startWithAdmin({ SERVICE_REDIS_URL: redis.url })
    await service.relayed()

    process.kill(redis.pid, 'SIGKILL')
    const id = await create(service, 'Ann')
    const renamed = await service.call('PATCH', `/api/users/${id}`, { first_name: 'Anna' })
    await eventually(async () => expect(await health(service)).toMatchObject({ outbox: { depth: 2 } }))
    const waiting = await service.command(['outbox', 'status', '--json'])
    await redis.restart()

    await eventually(async () =>
      expect(await publishedAbout(service, id)).toEqual(['user.created', 'user.updated']),
    )
    await service.relayed()
    expect(renamed.status).toBe(200)
    expect(JSON.parse(waiting.stdout)).toEqual({ depth: 2, parked: 0, oldest_age_ms: expect.any(Number) })
    await service.other.close()
    await service.close()
    await redis.stop()
  })
})

describe.skipIf(!hasRedis)('the outbox at the command line', () => {
  test('redrive sends again what Redis has lost, and nothing else', async () => {
    const since = new Date().toISOString()
    const service = await startWithAdmin()
    const [lost, kept] = [await create(service, 'Lost'), await create(service, 'Kept')]
    await service.relayed()
    const streamed = await service.other.transports.streams.range('user', '0-0', 100)

    const entry = streamed.find(({ fields }) => fields.partitionkey === `user/${lost}`)
    await service.other.transports.commands.xdel(`${service.prefix}:{user}`, entry?.id ?? '')
    await service.other.transports.commands.del(`${service.prefix}:{user}:seen`)
    const redriven = await service.command(['outbox', 'redrive', '--since', since, '--json'])

    expect(JSON.parse(redriven.stdout)).toEqual({ checked: streamed.length, missing: 1, sent: 1 })
    expect(await publishedAbout(service, lost)).toEqual(['user.created'])
    expect(await publishedAbout(service, kept)).toEqual(['user.created'])
    await service.other.close()
    await service.close()
  })

  test('a process that only serves requests wakes one that only relays', async () => {
    const service = await startWithAdmin({}, ['serve', '--migrate', '--roles', 'http'])
    const id = await create(service, 'Ann')

    const depth = await health(service)
    const relay = await startService({ ...service.env, SERVICE_PORT: '0' }, ['serve', '--roles', 'relay'])
    await eventually(async () => expect(await publishedAbout(service, id)).toEqual(['user.created']))
    const later = await create(service, 'Bob')
    await eventually(async () => expect(await publishedAbout(service, later)).toEqual(['user.created']))

    expect(depth).toMatchObject({ outbox: { depth: 2 } })
    await relay.close()
    await service.other.close()
    await service.close()
  })
})
