import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { createEndedLogins, type EndedAccess } from '@kiln/shared/security'
import { createAccessHints, endsAccess } from '@kiln/shared/service'
import { eventually } from '@kiln/shared/testing'
import { Elysia } from 'elysia'
import { requestContext } from '../../../../shared/http/request-context.ts'
import { openEvents } from '../events/support/open-events.ts'
import { hasRedisServer, type RedisServer, startRedis } from '../events/support/redis-server.ts'

const nobody: EndedAccess = { users: [], logins: [] }
const channel = 'events:live:system.access_ended'
const login = { userId: 7, loginId: 'phone', version: 1 }

describe.skipIf(!hasRedisServer)('a hint of ended access', () => {
  let redis: RedisServer
  const ended = { access: nobody }
  const open: { end(): Promise<void> }[] = []
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(async () => {
    for (const { end } of open) await end()
    await redis.stop()
  })

  /** A process that reads what has ended when it starts, and then not by itself. */
  async function startProcess(service: string) {
    const { events, transports, end } = await openEvents(redis, { consumer: service, events: { service } })
    const reads = { count: 0 }
    const endedLogins = createEndedLogins({
      ttlSeconds: 900,
      // Nothing that was read gets old: a hint alone brings what is new.
      now: () => 0,
      async read() {
        reads.count += 1
        return ended.access
      },
    })
    ended.access = nobody
    await endedLogins.refresh()
    const hints = createAccessHints({ events, transports, endedLogins, logger: silentLogger })
    const stop = await hints.start()
    open.push({ end: () => stop().then(end) })
    const app = new Elysia()
      .use(requestContext({ observers: [hints.observeRequest] }))
      .post('/logout', () => {
        endsAccess()
        ended.access = { users: [], logins: [{ id: login.loginId }] }
      })
      .post('/other', () => 'ok')
    const post = (path: string) => app.handle(new Request(`http://localhost${path}`, { method: 'POST' }))
    return { endedLogins, reads, post }
  }

  test('brings it to this process and to the others of the service, and not to another service', async () => {
    const here = await startProcess('orders')
    const there = await startProcess('orders')
    const mailer = await startProcess('mailer')

    await here.post('/other')
    const before = [here.reads.count, there.reads.count]
    await here.post('/logout')

    expect(before).toEqual([1, 1])
    for (const { endedLogins } of [here, there])
      await eventually(async () => expect(await endedLogins.stateOf(login)).toBe('ended'))
    expect(mailer.reads.count).toBe(1)
  })

  test('that cannot be read is none', async () => {
    const here = await startProcess('forms')
    const there = await startProcess('forms')

    for (const message of ['{', 'null', '{"source":"forms"}']) await redis.client.publish(channel, message)
    await there.post('/logout')

    await eventually(async () => expect(await here.endedLogins.stateOf(login)).toBe('ended'))
    expect(here.reads.count).toBe(2)
  })
})
