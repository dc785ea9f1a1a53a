import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { findRedisBinary, startPostgres, startRedis } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { Redis } from 'ioredis'
import { type RunningService, startService } from '../../../tests/support/process.ts'
import { hasRedis } from '../../../tests/support/redis.ts'
import { readEventStream } from '../support/event-stream.ts'
import { startWithAdmin } from '../support/start-with-admin.ts'

setDefaultTimeout(120_000)

const binary = findRedisBinary() ?? ''
const password = 'plum-42-harbour-lantern'
const promisedMs = 5000

type Admin = Awaited<ReturnType<typeof startWithAdmin>>

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
}

async function post(service: RunningService, path: string, body: unknown, token?: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
  return await fetch(`${service.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

const get = (service: RunningService, path: string, token: string) =>
  fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${token}` } })

async function logIn(service: RunningService, email: string): Promise<Tokens> {
  return (await (await post(service, '/api/auth/login', { email, password })).json()) as Tokens
}

let people = 0
/** Somebody who can log in. */
async function person(admin: Admin) {
  const email = `person-${++people}@example.org`
  const created = await admin.call('POST', '/api/users', { first_name: 'Somebody', email })
  const { id } = (await created.json()) as { id: number }
  const invited = await admin.call('POST', `/api/users/${id}/password-token`, {})
  const { token } = (await invited.json()) as { token: string }
  await post(admin, '/api/auth/password/set', { token, new_password: password })
  return { id, email }
}

/** Waits until a token is refused. @returns when it was last sent and then still accepted, `performance.now()`. */
async function lastAccepted(service: RunningService, token: string): Promise<number> {
  let acceptedMs = Number.NEGATIVE_INFINITY
  await eventually(async () => {
    const sentMs = performance.now()
    const { status } = await get(service, '/api/auth/me', token)
    if (status !== 401) acceptedMs = sentMs
    expect(status).toBe(401)
  })
  return acceptedMs
}

const endings = {
  'a logout': (on: Admin, _: number, { refresh_token }: Tokens) =>
    post(on, '/api/auth/logout', { refresh_token }),
  'a change of password': (on: Admin, _: number, { access_token }: Tokens) =>
    post(on, '/api/auth/password', { old_password: password, new_password: `${password}-2` }, access_token),
  'a change of role': (on: Admin, id: number) => on.call('PATCH', `/api/users/${id}`, { role: 'executor' }),
  'a deactivation': (on: Admin, id: number) =>
    fetch(`${on.url}/api/users/${id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${on.token}` },
    }),
} as const

describe.skipIf(!binary)('on every replica access ends within five seconds', () => {
  test.each(['up', 'down'])('with Redis %s', async (redisIs) => {
    const redis = await startRedis({ server: { binary } })
    const here = await startWithAdmin({ SERVICE_REDIS_URL: redis.url })
    const there = await startService({ ...here.env, SERVICE_PORT: '0' }, ['serve'])
    const people = await Promise.all(
      Object.values(endings).map(async (end) => {
        const { id, email } = await person(here)
        const tokens = await logIn(there, email)
        const response = await get(there, '/api/events/live', tokens.access_token)
        return { id, end, tokens, response, stream: readEventStream(response) }
      }),
    )
    for (const { response, tokens } of people) {
      expect(response.status).toBe(200)
      expect((await get(there, '/api/auth/me', tokens.access_token)).status).toBe(200)
    }
    const told: string[] = []
    const listener = new Redis(redis.url)
    await listener.psubscribe('*:live:system.access_ended')
    listener.on('pmessage', (_pattern, _channel, message) => told.push(message))
    if (redisIs === 'down') {
      listener.disconnect()
      await redis.stop()
    }

    for (const { id, end, tokens, stream } of people) {
      const { ok } = await end(here, id, tokens)
      const endedMs = performance.now()
      const [onHere, onThere] = await Promise.all(
        [here, there].map((replica) => lastAccepted(replica, tokens.access_token)),
      )
      await eventually(() => expect(stream.ended()).toBe(true))

      expect(ok).toBe(true)
      expect(Math.max(onHere ?? 0, onThere ?? 0) - endedMs).toBeLessThan(promisedMs)
      if (redisIs === 'up') await eventually(() => expect(told).toHaveLength(1))
      told.length = 0
      if (redisIs === 'up') expect(stream.events().at(-1)?.data).toEqual({ reason: 'revoked' })
    }

    listener.disconnect()
    await there.close()
    await here.other.close()
    await here.close()
    if (redisIs === 'up') await redis.stop()
  })
})

describe.skipIf(!hasRedis)('beside an ended login', () => {
  test('another login of the user goes on, and after a change of role so does the login itself', async () => {
    const service = await startWithAdmin()
    const { id, email } = await person(service)
    const [phone, desk] = [await logIn(service, email), await logIn(service, email)]

    await endings['a logout'](service, id, phone)
    await lastAccepted(service, phone.access_token)
    const stays = await get(service, '/api/auth/me', desk.access_token)
    await endings['a change of role'](service, id)
    await lastAccepted(service, desk.access_token)
    const refreshed = await post(service, '/api/auth/refresh', { refresh_token: desk.refresh_token })
    const { access_token } = (await refreshed.json()) as Tokens

    expect(stays.status).toBe(200)
    expect((await get(service, '/api/auth/me', access_token)).status).toBe(200)
    await service.other.close()
    await service.close()
  })
})

test.skipIf(!hasRedis)(
  'with the database away nobody is let in who may have been shut out there, until it is back',
  async () => {
    const postgres = await startPostgres()
    const service = await startWithAdmin({ SERVICE_DATABASE_URL: postgres.url })
    const stream = readEventStream(await get(service, '/api/events/live', service.token))

    process.kill(postgres.pid, 'SIGKILL')
    await eventually(async () => expect((await get(service, '/api/auth/me', service.token)).status).toBe(503))
    const refused = await get(service, '/api/auth/me', service.token)
    await eventually(() => expect(stream.ended()).toBe(true))
    await postgres.restart()
    await eventually(async () => expect((await get(service, '/api/auth/me', service.token)).status).toBe(200))

    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(stream.events().at(-1)?.data).toEqual({ reason: 'unavailable' })
    await service.other.close()
    await service.close()
    await postgres.stop()
  },
)
