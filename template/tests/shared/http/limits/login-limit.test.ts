import { describe, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { hasRedis, redisUrl } from '../../../../../tests/support/redis.ts'
import { testReplicas } from './test-limits.ts'

const replica = testReplicas()
const transports = hasRedis
  ? [['in memory', ''] as const, ['on Redis', redisUrl] as const]
  : [['in memory', ''] as const]

describe.each(transports)('wrong passwords, counted %s', (_, url) => {
  const open = (given: Parameters<typeof replica>[0] = {}) =>
    replica({ redisUrl: url, serviceName: crypto.randomUUID(), ...given })

  test('are looked at so many times, then not even the right one is', async () => {
    const { logIn, passwordsLookedAt } = await open()
    const wrong = [
      await logIn('a@x.org', 'wrong'),
      await logIn('a@x.org', 'wrong'),
      await logIn('a@x.org', 'wrong'),
    ]

    const refused = await logIn('a@x.org', 'right')

    expect(wrong.map(({ status }) => status)).toEqual([401, 401, 401])
    expect(wrong[0]?.headers.get('ratelimit')).toContain('"login";r=2;t=900')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('60')
    expect(refused.headers.get('ratelimit')).toContain('"login";r=0;t=60')
    expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED' })
    expect(passwordsLookedAt()).toBe(3)
  })

  test('a thousand at once are as many as a thousand in a row', async () => {
    const { logIn, passwordsLookedAt } = await open()

    await Promise.all(Array.from({ length: 1000 }, () => logIn('a@x.org', 'wrong')))

    expect(passwordsLookedAt()).toBe(3)
  })

  test('of an account are counted in whatever case it is written', async () => {
    const { logIn } = await open()
    for (const email of ['a@x.org', 'A@x.org', 'a@X.ORG']) await logIn(email, 'wrong')

    expect((await logIn('A@X.org', 'right')).status).toBe(429)
  })

  test('of an address leave the account open elsewhere, and other accounts open there', async () => {
    const { logIn } = await open()
    for (let count = 0; count < 4; count++) await logIn('a@x.org', 'wrong', '2001:db8::1')

    expect((await logIn('a@x.org', 'right', '2001:db8::2')).status).toBe(429)
    expect((await logIn('a@x.org', 'right', '2001:db8:0:1::1')).status).toBe(200)
    expect((await logIn('b@x.org', 'right', '2001:db8::1')).status).toBe(200)
  })

  test('are forgotten when the right one comes', async () => {
    const { logIn } = await open()

    for (let round = 0; round < 3; round++) {
      for (const password of ['wrong', 'wrong', 'right'])
        expect((await logIn('a@x.org', password)).status).toBe(password === 'right' ? 200 : 401)
    }
  })

  test('are not what happens while the database is away', async () => {
    const { logIn } = await open()
    for (let count = 0; count < 10; count++) expect((await logIn('a@x.org', 'unavailable')).status).toBe(503)

    expect((await logIn('a@x.org', 'right')).status).toBe(200)
  })

  test('for many accounts from one address end there, and a login of one’s own between them clears nothing', async () => {
    const { logIn, passwordsLookedAt } = await open({ rateLimitLogin: 1 })
    for (let count = 0; count < 30; count++) {
      await logIn(`victim-${count}@x.org`, 'wrong')
      await logIn('mine@x.org', 'right')
    }

    const another = await logIn('another@x.org', 'right')

    expect(another.status).toBe(429)
    expect(passwordsLookedAt()).toBe(39)
  })

  test('for one account from many addresses end as well', async () => {
    const { logIn, passwordsLookedAt } = await open({ rateLimitLogin: 1 })
    for (let count = 0; count < 30; count++) await logIn('a@x.org', 'wrong', `192.0.2.${count}`)

    expect(passwordsLookedAt()).toBe(20)
    expect((await logIn('b@x.org', 'right', '192.0.2.1')).status).toBe(200)
  })
})

describe.skipIf(!hasRedis)('whoever goes on guessing', () => {
  test('waits twice as long each time, up to an hour, and from the start after the right one', async () => {
    const serviceName = crypto.randomUUID()
    const { logIn } = await replica({ redisUrl, serviceName, rateLimitLogin: 1 })
    const client = new Redis(redisUrl)
    /** As if the time were over. */
    const wait = async () => client.del(await client.keys(`limits:${serviceName}:login:*`))
    const guess = async () => {
      await logIn('a@x.org', 'wrong')
      const refused = await logIn('a@x.org', 'wrong')
      const again = await logIn('a@x.org', 'wrong')
      await wait()
      const [first, second] = [refused, again].map(({ headers }) => Number(headers.get('retry-after')))
      expect(second).toBeLessThanOrEqual(first ?? 0)
      return refused.headers.get('retry-after')
    }

    const waits = [
      await guess(),
      await guess(),
      await guess(),
      await guess(),
      await guess(),
      await guess(),
      await guess(),
    ]
    await logIn('a@x.org', 'right')
    const afterwards = await guess()
    client.disconnect()

    expect(waits).toEqual(['60', '120', '240', '480', '960', '1920', '3600'])
    expect(afterwards).toBe('60')
  })
})
