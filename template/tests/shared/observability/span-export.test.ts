import { afterEach, describe, expect, test } from 'bun:test'
import { eventually } from '@kiln/shared/testing'
import type { Registry } from 'prom-client'
import { closeTraced, traced } from '../../support/traced.ts'

afterEach(closeTraced)

describe('a collector', () => {
  const dropped = async (registry: Registry) =>
    [...(await registry.metrics()).matchAll(/span_exported_total\{error_type="(\w*)"\} (\d+)/g)].map(
      ([, type, count]) => [type, Number(count)],
    )

  test('that refuses spans is told of once, and they are counted', async () => {
    const { app, get, lines, registry, collector } = await traced({ OTEL_BSP_SCHEDULE_DELAY: '1' }, 'refuses')
    const served = app().get('/things/:id', 'done')

    for (const count of [1, 2, 3]) {
      await get(served)
      await eventually(() => expect(collector.state.requests).toBeGreaterThanOrEqual(count))
    }

    await eventually(async () =>
      expect(await dropped(registry)).toEqual([
        ['', 0],
        ['queue_full', 0],
        ['rejected', 3],
      ]),
    )
    expect(lines.filter((line) => line.includes('dropped'))).toHaveLength(1)
  })

  test('that does not answer holds up no request; what does not fit the queue is counted', async () => {
    const env = { OTEL_BSP_MAX_QUEUE_SIZE: '10', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '5' }
    const { app, get, lines, registry, collector } = await traced(env, 'hangs')
    const served = app().get('/things/:id', 'done')

    for (let count = 0; count < 5; count++) await get(served)
    await eventually(() => expect(collector.state.requests).toBe(1))
    const answers = await Promise.all(Array.from({ length: 30 }, () => get(served)))

    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(await dropped(registry)).toEqual([
      ['', 0],
      ['queue_full', 20],
      ['rejected', 0],
    ])
    expect(lines.filter((line) => line.includes('dropped'))).toHaveLength(1)
  })

  test('that comes back takes spans again', async () => {
    const { app, get, lines, collector } = await traced({ OTEL_BSP_SCHEDULE_DELAY: '1' }, 'refuses')
    const served = app().get('/things/:id', 'done')
    await get(served)
    await eventually(() => expect(lines.join('')).toContain('dropped'))

    collector.state.behaviour = 'takes'
    await get(served)

    await eventually(() => expect(lines.join('')).toContain('takes spans again'))
    expect(collector.spans).toHaveLength(1)
  })

  test('that is busy gets the same spans again', async () => {
    const { app, get, registry, collector } = await traced({ OTEL_BSP_SCHEDULE_DELAY: '1' }, 'busy')
    const served = app().get('/things/:id', 'done')
    await get(served)
    await eventually(() => expect(collector.state.requests).toBe(1))

    collector.state.behaviour = 'takes'

    await eventually(() => expect(collector.spans).toHaveLength(1))
    expect(collector.state.requests).toBe(2)
    await eventually(async () => expect(await dropped(registry)).toContainEqual(['', 1]))
    expect(await dropped(registry)).toContainEqual(['rejected', 0])
  })

  test('that stays busy is given up after the time that the settings allow', async () => {
    const env = { OTEL_BSP_SCHEDULE_DELAY: '1', OTEL_EXPORTER_OTLP_TIMEOUT: '100' }
    const { app, get, lines, registry } = await traced(env, 'busy')

    await get(app().get('/things/:id', 'done'))

    await eventually(async () => expect(await dropped(registry)).toContainEqual(['rejected', 1]))
    expect(lines.join('')).toContain('the collector answered 503')
  })

  test('that takes some of them is believed', async () => {
    const { app, get, lines, registry } = await traced({ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '3' }, 'takes some')
    const served = app().get('/things/:id', 'done')

    for (let count = 0; count < 3; count++) await get(served)

    await eventually(async () =>
      expect(await dropped(registry)).toEqual([
        ['', 2],
        ['queue_full', 0],
        ['rejected', 1],
      ]),
    )
    expect(lines.join('')).toContain('refused 1 of 3 spans')
  })

  test('that says what is no OTLP is not asked again', async () => {
    const { app, get, registry, collector } = await traced({ OTEL_BSP_SCHEDULE_DELAY: '1' }, 'chats')

    await get(app().get('/things/:id', 'done'))

    await eventually(async () => expect(await dropped(registry)).toContainEqual(['', 1]))
    expect(collector.state.requests).toBe(1)
  })

  test('gets them compressed where the settings say so', async () => {
    const env = { OTEL_BSP_SCHEDULE_DELAY: '1', OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }
    const { app, get, collector } = await traced(env)

    await get(app().get('/things/:id', 'done'))

    await eventually(() => expect(collector.spans).toHaveLength(1))
    expect(collector.headers[0]).toMatchObject({ 'content-encoding': 'gzip' })
  })
})
