import { describe, expect, test } from 'bun:test'
import { createEvents, memoryTransports, silentLogger } from '@kiln/shared'
import { runAs } from '@kiln/shared/context'
import { HealthChecked, SystemError } from '@kiln/shared/contracts/system'
import { AppError } from '@kiln/shared/errors'
import { createSystemEvents } from '@kiln/shared/service'
import { eventually } from '@kiln/shared/testing'

const nowMs = Date.parse('2026-01-01T00:00:00Z')
const now = () => nowMs

async function startSystemEvents() {
  const events = createEvents({
    service: 'orders',
    transports: memoryTransports(),
    logger: silentLogger,
    now,
  })
  const told: unknown[] = []
  events.listen(SystemError, ({ data }) => void told.push(data))
  events.listen(HealthChecked, ({ data }) => void told.push(data.status))
  await events.start()
  return { told, system: createSystemEvents({ events, logger: silentLogger, now, lookEveryMs: 5 }) }
}

describe('system.error', () => {
  test('says what the caller was told, and under which correlation id', async () => {
    const { system, told } = await startSystemEvents()
    const error = new AppError('DATABASE_UNAVAILABLE', 'The database cannot be reached')

    runAs({ correlationId: 'abc', trace: undefined }, () => system.failed(error, error.code))

    await eventually(() => expect(told).toHaveLength(1))
    expect(told[0]).toEqual({
      service: 'orders',
      code: 'DATABASE_UNAVAILABLE',
      message: 'The database cannot be reached',
      correlation_id: 'abc',
      occurred_at: '2026-01-01T00:00:00.000Z',
    })
  })

  test('shows nothing of an unexpected error', async () => {
    const { system, told } = await startSystemEvents()

    system.failed(new Error('Key (email)=(planted@example.com) already exists'), 'INTERNAL_ERROR')

    await eventually(() => expect(told).toHaveLength(1))
    expect(told[0]).toMatchObject({ code: 'INTERNAL_ERROR', message: 'An unexpected error happened' })
    expect(JSON.stringify(told)).not.toContain('planted')
  })

  test('comes ten times a second at most', async () => {
    const { system, told } = await startSystemEvents()

    for (let count = 0; count < 100; count++) system.failed(new Error(), 'INTERNAL_ERROR')

    await eventually(() => expect(told).toHaveLength(10))
  })

  test('is never caused by publishing, its own failure included', async () => {
    const published: string[] = []
    const publish = async ({ name }: { name: string }) => {
      published.push(name)
      throw new AppError('EVENT_NOT_SENT', 'the event was not sent')
    }
    const system = createSystemEvents({ events: { service: 'orders', publish }, logger: silentLogger, now })

    for (const code of ['EVENT_NOT_SENT', 'EVENT_NOT_CONFIRMED', 'EVENT_STREAM_FULL', 'EVENTS_UNAVAILABLE'])
      system.failed(new AppError(code, 'the event server is away'), code)
    system.failed(new Error(), 'INTERNAL_ERROR')

    await eventually(() => expect(published).toEqual(['system.error']))
  })
})

describe('system.health_check', () => {
  test('comes at the start, whenever the health has changed, and at the end', async () => {
    const { system, told } = await startSystemEvents()
    const up = { database: true, redis: true }
    const probe = (part: keyof typeof up) => async () => ({ status: up[part] ? 'up' : 'down' }) as const
    const health = { required: { database: probe('database') }, optional: { redis: probe('redis') } }
    const change = async (part: keyof typeof up, isUp: boolean, expected: string) => {
      up[part] = isUp
      await eventually(() => expect(told.at(-1)).toBe(expected))
    }

    const stop = system.watchHealth({ ...health, phase: () => 'ready' })
    await eventually(() => expect(told).toEqual(['healthy']))
    await change('redis', false, 'degraded')
    await change('database', false, 'unhealthy')
    await change('redis', true, 'unhealthy')
    await change('database', true, 'healthy')
    await stop()

    expect(told).toEqual(['healthy', 'degraded', 'unhealthy', 'healthy', 'unhealthy'])
  })

  test('what could not be told is told later', async () => {
    const told: unknown[] = []
    let away = true
    const publish = async (_: unknown, data: unknown) => {
      if (away) throw new AppError('EVENT_NOT_SENT', 'the event was not sent')
      told.push(data)
      return { id: '1', entryId: undefined }
    }
    const events = { service: 'orders', publish }
    const system = createSystemEvents({ events, logger: silentLogger, now, instance: 'one', lookEveryMs: 5 })

    let looked = 0
    const required = { database: async () => ({ status: 'up', looked: ++looked }) as const }
    const stop = system.watchHealth({ required, phase: () => 'ready' })
    await eventually(() => expect(looked).toBeGreaterThan(2))
    away = false
    await eventually(() => expect(told).toHaveLength(1))
    await stop()

    const common = { service: 'orders', instance: 'one', checked_at: '2026-01-01T00:00:00.000Z' }
    expect(told).toEqual([
      { ...common, status: 'healthy' },
      { ...common, status: 'unhealthy' },
    ])
  })
})
