import { describe, expect, test } from 'bun:test'
import { type HealthOptions, type HealthProbe, healthRoutes } from '@kiln/shared/http'

const up: HealthProbe = async () => ({ status: 'up' })
const down: HealthProbe = () => Promise.reject(new Error('connection to secret-host refused'))

function health(options: Partial<HealthOptions>) {
  const app = healthRoutes({ required: {}, phase: () => 'ready', ...options })
  return async (path: string) => {
    const response = await app.handle(new Request(`http://localhost${path}`))
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
}

describe('a service whose parts are up', () => {
  const get = health({ required: { database: up }, optional: { redis: up } })

  test('is alive, ready and healthy', async () => {
    expect(await get('/live')).toEqual({ status: 200, body: { status: 'up' } })
    expect(await get('/ready')).toEqual({ status: 200, body: { status: 'ready' } })
    expect(await get('/health')).toEqual({
      status: 200,
      body: { status: 'up', database: { status: 'up' }, redis: { status: 'up' } },
    })
  })
})

describe('a service whose database is down', () => {
  const get = health({ required: { database: down }, optional: { redis: up } })

  test('is alive, but neither ready nor healthy, and keeps the reason to itself', async () => {
    const answers = { live: await get('/live'), ready: await get('/ready'), health: await get('/health') }

    expect(answers.live.status).toBe(200)
    expect(answers.ready).toEqual({ status: 503, body: { status: 'down' } })
    expect(answers.health).toEqual({
      status: 503,
      body: {
        status: 'down',
        database: { status: 'down', reason: 'unreachable' },
        redis: { status: 'up' },
      },
    })
  })
})

describe('a service whose Redis is down', () => {
  const get = health({ required: { database: up }, optional: { redis: down } })

  test('is degraded, and still gets traffic', async () => {
    expect(await get('/ready')).toEqual({ status: 200, body: { status: 'degraded' } })
    expect(await get('/health')).toMatchObject({ status: 200, body: { status: 'degraded' } })
  })
})

describe('the phases', () => {
  test.each(['starting', 'draining'] as const)('%s: alive, not ready', async (phase) => {
    const get = health({ required: { database: up }, phase: () => phase })

    expect(await get('/ready')).toEqual({ status: 503, body: { status: phase } })
    expect((await get('/live')).status).toBe(200)
    expect((await get('/health')).status).toBe(200)
  })
})

describe('the parts are asked', () => {
  test('once a second, however many want to know', async () => {
    let asked = 0
    let nowMs = 0
    const database: HealthProbe = async () => {
      asked += 1
      return { status: 'up' }
    }
    const get = health({ required: { database }, now: () => nowMs })

    await Promise.all([get('/health'), get('/ready'), get('/health')])
    nowMs = 999
    await get('/health')
    const withinTheSecond = asked
    nowMs = 1000
    await get('/health')

    expect(withinTheSecond).toBe(1)
    expect(asked).toBe(2)
  })

  test('and not waited for longer than the limit', async () => {
    const get = health({
      required: { database: () => new Promise(() => {}) },
      optional: { redis: up },
      timeoutMs: 20,
    })

    const { status, body } = await get('/health')

    expect(status).toBe(503)
    expect(body).toMatchObject({ database: { status: 'down', reason: 'timeout' }, redis: { status: 'up' } })
  })

  test('also by a probe that throws before it begins', async () => {
    const thrower = () => {
      throw new Error('at once')
    }
    const get = health({ required: { database: thrower } })

    expect((await get('/ready')).status).toBe(503)
  })
})
