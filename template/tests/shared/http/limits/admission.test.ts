import { describe, expect, test } from 'bun:test'
import { requestContext } from '@kiln/shared/http'
import { eventually } from '@kiln/shared/testing'
import { Elysia } from 'elysia'
import { createAdmission } from '../../../../../shared/http/limits/admission.ts'
import { testReplicas } from './test-limits.ts'

const replica = testReplicas()

describe('requests in flight', () => {
  test('beyond the limit are told to come back; health is answered, and it recovers by itself', async () => {
    const { call, letGo, registry } = await replica({ maxConcurrentRequests: 3 })
    const held = [call('/held'), call('/held'), call('/held')]
    await eventually(async () => expect(await registry.metrics()).toContain('http_server_active_requests 3'))

    const refused = await call('/open')
    const live = await call('/live')
    letGo()
    const statuses = (await Promise.all(held)).map(({ status }) => status)
    const after = await call('/open')

    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toMatchObject({ code: 'SERVICE_BUSY' })
    expect(live.status).toBe(200)
    expect(statuses).toEqual([200, 200, 200])
    expect(after.status).toBe(200)
    const text = await registry.metrics()
    expect(text).toContain('http_server_shed_total{reason="in_flight"} 1')
    expect(text).toContain('http_server_active_requests 0')
  })

  test('are counted down however they end', async () => {
    const { call, registry } = await replica({ maxConcurrentRequests: 1 })

    for (const path of ['/open', '/nowhere', '/mine', '/few', '/few', '/few', '/few', '/open'])
      await call(path)

    expect((await call('/open')).status).toBe(200)
    expect(await registry.metrics()).toContain('http_server_active_requests 0')
  })
})

test('a request that is served at once, or fails, leaves its place', async () => {
  const { gate, active } = createAdmission({
    maxConcurrent: 1,
    shedLagMs: 0,
    refuse: () => undefined,
    shed: () => {},
  })
  const failing = [
    () => {
      throw new Error('some failure')
    },
    () => Promise.reject(new Error('some failure')),
  ]
  const app = new Elysia()
    .wrap((handle) => (request: Request) => {
      const fail = new URL(request.url).pathname === '/fail' && failing.shift()
      return fail ? fail() : handle(request)
    })
    .use(requestContext({ gate }))
    .get('/open', 'open')
  const call = async (path: string) => await app.handle(new Request(`http://localhost${path}`))

  await expect(call('/fail')).rejects.toThrow('some failure')
  await expect(call('/fail')).rejects.toThrow('some failure')
  const statuses = [(await call('/open')).status, (await call('/open')).status]

  expect(failing).toEqual([])
  expect(statuses).toEqual([200, 200])
  expect(active()).toBe(0)
})

describe('an event loop that stays late', () => {
  /** Blocks it again and again, as one that has too much to do. */
  function keepBlocking(ms: number) {
    const timer = setInterval(() => {
      const until = performance.now() + ms
      while (performance.now() < until);
    }, 1)
    return () => clearInterval(timer)
  }

  test('sheds requests, health apart, and stops when it is in time again', async () => {
    const { call, registry } = await replica({ shedLagMs: 100 })

    const stop = keepBlocking(400)
    await eventually(async () => expect((await call('/open')).status).toBe(503), { timeoutMs: 15_000 })
    const live = await call('/live')
    stop()
    await eventually(async () => expect((await call('/open')).status).toBe(200))

    expect(live.status).toBe(200)
    expect(await registry.metrics()).toMatch(/http_server_shed_total\{reason="event_loop"\} [1-9]/)
  })

  test('sheds nothing unless that was asked for, nor for one long task', async () => {
    const off = await replica()
    const on = await replica({ shedLagMs: 100 })

    const until = performance.now() + 500
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 1))

    expect((await on.call('/open')).status).toBe(200)
    expect((await off.call('/open')).status).toBe(200)
  })
})
