import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { eventually } from '@kiln/shared/testing'
import { hasRedisServer, type RedisServer, startRedis } from '../../events/support/redis-server.ts'
import { startCluster } from '../../events/support/topologies.ts'
import { testReplicas } from './test-limits.ts'

const replica = testReplicas()
const problem = { status: 429, code: 'RATE_LIMITED', title: 'Too many requests' }

describe('a limit of requests', () => {
  test('of an address is told with each answer, and refuses beyond', async () => {
    const { call } = await replica({ rateLimitAddress: 2 })

    const answers = [await call('/open'), await call('/nowhere'), await call('/open')]

    expect(answers.map(({ status }) => status)).toEqual([200, 404, 429])
    for (const { headers } of answers) expect(headers.get('ratelimit-policy')).toBe('"address";q=2;w=60')
    const standings = answers.map(({ headers }) => headers.get('ratelimit'))
    expect(standings).toEqual(['"address";r=1;t=60', '"address";r=0;t=60', '"address";r=0;t=60'])
    expect(answers[2]?.headers.get('retry-after')).toBe('60')
    expect(answers[2]?.headers.get('content-type')).toBe('application/problem+json')
    expect(await answers[2]?.json()).toMatchObject(problem)
  })

  test('of an address leaves other addresses alone; those of one /64 are one', async () => {
    const { call, statuses } = await replica({ rateLimitAddress: 1 })
    await statuses(2, '/open', { address: '2001:db8::1' })

    const neighbour = await call('/open', { address: '2001:DB8::ffff:2' })
    const mapped = await statuses(2, '/open', { address: '::ffff:192.0.2.9' })
    const plain = await call('/open', { address: '192.0.2.9' })
    const stranger = await call('/open', { address: '2001:db8:0:1::1' })

    expect(neighbour.status).toBe(429)
    expect(mapped).toEqual([200, 429])
    expect(plain.status).toBe(429)
    expect(stranger.status).toBe(200)
  })

  test('of a user follows them from address to address', async () => {
    const { call, statuses } = await replica({ rateLimitUser: 2 })
    await statuses(2, '/mine', { userId: 7 })

    const elsewhere = await call('/mine', { userId: 7, address: '198.51.100.2' })
    const somebodyElse = await call('/mine', { userId: 8 })

    expect(elsewhere.status).toBe(429)
    expect(elsewhere.headers.get('ratelimit-policy')).toBe('"address";q=1000;w=60, "user";q=2;w=60')
    expect(elsewhere.headers.get('ratelimit')).toBe('"address";r=999;t=60, "user";r=0;t=60')
    expect(somebodyElse.status).toBe(200)
  })

  test('of a route counts each user, and each address that is nobody’s, by itself', async () => {
    const { statuses } = await replica()

    expect(await statuses(4, '/few')).toEqual([200, 200, 200, 429])
    expect(await statuses(1, '/few', { address: '198.51.100.2' })).toEqual([200])
    expect(await statuses(1, '/open')).toEqual([200])
  })

  test('never keeps health from being asked', async () => {
    const { statuses } = await replica({ rateLimitAddress: 1 })
    await statuses(2, '/open')

    expect(new Set(await statuses(50, '/live'))).toEqual(new Set([200]))
    expect(await statuses(1, '/live?x=/open')).toEqual([200])
    expect(await statuses(1, '/live/../open')).toEqual([429])
  })

  test('can be turned off', async () => {
    const { call, statuses } = await replica({
      rateLimitEnabled: false,
      rateLimitAddress: 1,
      rateLimitUser: 1,
    })

    expect(new Set(await statuses(5, '/mine', { userId: 7 }))).toEqual(new Set([200]))
    expect(new Set(await statuses(5, '/few'))).toEqual(new Set([200]))
    expect((await call('/open')).headers.has('ratelimit')).toBe(false)
  })

  test('is counted by policy', async () => {
    const { registry, statuses } = await replica({ rateLimitAddress: 6, rateLimitUser: 1 })
    await statuses(2, '/mine', { userId: 7 })
    await statuses(5, '/few')

    const text = await registry.metrics()
    expect(text).toContain('http_server_rate_limited_total{policy="user"} 1')
    expect(text).toContain('http_server_rate_limited_total{policy="few"} 1')
    expect(text).toContain('http_server_rate_limited_total{policy="address"} 1')
  })
})

describe.skipIf(!hasRedisServer)('two replicas on one Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  /** Two that share their counts with each other and with nobody else. */
  const two = async (given: Parameters<typeof replica>[0] = {}) => {
    const shared = { redisUrl: redis.url, serviceName: crypto.randomUUID(), ...given }
    return [await replica(shared), await replica(shared)] as const
  }

  test('join what they count of an address', async () => {
    const [one, other] = await two({ rateLimitAddress: 20 })
    await one.statuses(19, '/open')

    await eventually(async () => expect((await other.call('/open')).status).toBe(429))
    await eventually(async () => expect((await one.call('/open')).status).toBe(429))

    const left = (await other.call('/open')).headers.get('ratelimit')
    expect(left).toStartWith('"address";r=0;t=')
  })

  test('count a route’s own limit as one, however many come at once', async () => {
    const replicas = await two()

    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (replicas[index % 2] ?? replicas[0]).call('/few')),
    )

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3)
  })

  test('keep to themselves what another service counts', async () => {
    const [one] = await two()
    const [another] = await two()
    await one.statuses(4, '/few')

    expect(await another.statuses(1, '/few')).toEqual([200])
  })

  test('leave no key behind for ever, and none that says who somebody is', async () => {
    const serviceName = crypto.randomUUID()
    const [one] = await two({ serviceName })
    await one.logIn('Some.Body@example.com', 'wrong')
    await one.call('/mine', { userId: 7 })
    const keys = await eventually(async () => {
      const found = await redis.client.keys(`limits:${serviceName}:*`)
      expect(found.length).toBe(5)
      return found
    })

    for (const key of keys) expect(await redis.client.ttl(key)).toBeGreaterThan(0)
    expect(keys.join(' ').toLowerCase()).not.toContain('body')
  })

  test('that goes away count each by itself, at once, and together again when it is back', async () => {
    const warned: string[] = []
    const note = (_: object, message: string) => void warned.push(message)
    const server = await startRedis()
    const one = await replica({
      redisUrl: server.url,
      rateLimitAddress: 20,
      logger: { info: note, warn: note },
    })
    await one.statuses(2, '/few')

    await server.kill()
    const counted = await one.statuses(2, '/few')
    const addressed = await one.statuses(17, '/open')
    await server.restart()
    await eventually(() => expect(warned).toHaveLength(2))
    await server.stop()

    expect(counted).toEqual([200, 429])
    expect(addressed.filter((status) => status === 429)).toHaveLength(1)
    expect(warned).toEqual([
      'rates are limited in each replica alone: Redis does not answer',
      'rates are limited over all replicas again',
    ])
  })

  test('that is frozen keep nobody waiting for it', async () => {
    const server = await startRedis()
    const one = await replica({ redisUrl: server.url, redisTimeoutMs: 60_000 })

    server.signal('SIGSTOP')
    const began = performance.now()
    const answers = await one.statuses(20, '/few')
    const tookMs = performance.now() - began
    server.signal('SIGCONT')
    await server.stop()

    expect(answers.filter((status) => status === 200)).toHaveLength(3)
    // Each would have waited a minute; only the first of a second waits, 100 ms.
    expect(tookMs).toBeLessThan(5000)
  })
})

describe.skipIf(!hasRedisServer)('a cluster', () => {
  test('counts as one Redis does', async () => {
    const cluster = await startCluster()
    const shared = { redisUrl: cluster.url, rateLimitAddress: 20 }
    const [one, other] = [await replica(shared), await replica(shared)]

    const few = [await one.statuses(2, '/few'), await other.statuses(2, '/few')]
    for (let count = 0; count < 2; count++) await one.logIn('a@x.org', 'wrong')
    const logins = [await other.logIn('a@x.org', 'wrong'), await other.logIn('a@x.org', 'right')]
    await one.statuses(13, '/open')
    await eventually(async () => expect((await other.call('/open')).status).toBe(429))
    await one.limits.close()
    await other.limits.close()
    await cluster.stop()

    expect(few).toEqual([
      [200, 200],
      [200, 429],
    ])
    expect(logins.map(({ status }) => status)).toEqual([401, 429])
  })
})
