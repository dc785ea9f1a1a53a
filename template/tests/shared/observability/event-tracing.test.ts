import { afterEach, describe, expect, test } from 'bun:test'
import { createEvents, memoryTransports } from '@kiln/shared'
import { currentWork, runAs } from '@kiln/shared/context'
import { HealthChecked } from '@kiln/shared/contracts/system'
import { UserVerified } from '@kiln/shared/contracts/user'
import { eventually } from '@kiln/shared/testing'
import { closeTraced, closing, traced } from '../../support/traced.ts'

afterEach(closeTraced)

describe('events that are traced', () => {
  const verified = (user_id: number) => ({ user_id, verified_by: 1, verified_at: '2026-01-01T00:00:00Z' })
  const quiet = () => {}
  const publishing = (observer: Awaited<ReturnType<typeof traced>>['events']) => {
    const transports = memoryTransports()
    const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
    const events = createEvents({ service: 'some-service', transports, logger, observer })
    closing.push(transports.close, () => events.close())
    return events
  }

  test('handled as a batch are linked to whoever published them, each in a trace of its own', async () => {
    const { events: observer, collector, close } = await traced()
    const events = publishing(observer)
    const sizes: number[] = []
    events.subscribeBatch(UserVerified, { name: 'profiles', from: 'beginning' }, (batch) => {
      sizes.push(batch.length)
    })
    for (const user of [1, 2, 3]) await events.publish(UserVerified, verified(user))

    await events.start()
    await eventually(() => expect(sizes).toEqual([3]))
    await close()

    const published = collector.spans.filter(({ kind }) => kind === 'PRODUCER')
    const [handled] = collector.spans.filter(({ kind }) => kind === 'CONSUMER')
    expect(new Set(published.map(({ traceId }) => traceId)).size).toBe(3)
    expect(handled).toMatchObject({
      name: 'process user.verified',
      parentSpanId: '',
      attributes: { 'messaging.batch.message_count': 3, 'messaging.consumer.group.name': 'profiles' },
      links: published.map(({ traceId, spanId }) => ({ traceId, spanId })),
    })
  })

  test('carry baggage into their handler', async () => {
    const { events: observer } = await traced()
    const events = publishing(observer)
    const seen: unknown[] = []
    events.subscribe(UserVerified, { name: 'profiles', from: 'beginning' }, () => {
      seen.push(currentWork()?.baggage?.())
    })
    await events.start()

    await runAs({ correlationId: 'abc', trace: undefined, baggage: () => 'tenant=7' }, () =>
      events.publish(UserVerified, verified(1)),
    )

    await eventually(() => expect(seen).toEqual(['tenant=7']))
  })

  test('whose handler fails leave a span that says so', async () => {
    const { events: observer, collector } = await traced()
    const events = publishing(observer)
    events.subscribe(UserVerified, { name: 'profiles', from: 'beginning', attempts: 1 }, () => {
      throw new TypeError('planted')
    })
    await events.start()

    await events.publish(UserVerified, verified(1))

    const [handled] = await eventually(() => {
      const found = collector.spans.filter(({ kind }) => kind === 'CONSUMER')
      expect(found).toHaveLength(1)
      return found
    })
    expect(handled).toMatchObject({ status: 'ERROR', attributes: { 'error.type': 'TypeError' } })
  })

  test('that are broadcast are handled within the trace of whoever sent them', async () => {
    const { events: observer, collector } = await traced()
    const events = publishing(observer)
    events.listen(HealthChecked, () => {})
    await events.start()

    const checked_at = '2026-01-01T00:00:00Z'
    await events.publish(HealthChecked, { service: 's', instance: 'i', status: 'healthy', checked_at })

    await eventually(() => expect(collector.spans).toHaveLength(2))
    const [sent, heard] = [...collector.spans].sort((a, b) => b.kind.localeCompare(a.kind))
    expect(heard).toMatchObject({ kind: 'CONSUMER', parentSpanId: sent?.spanId })
  })

  test('that a relay sends leave a span below whoever published them', async () => {
    const { relaying, collector, close } = await traced()
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const event = {
      id: '1',
      source: 's',
      type: 'user.verified',
      time: '',
      data: '{}',
      dataversion: 1,
      traceparent,
    }

    await relaying([event, { ...event, id: '2', traceparent: undefined }], async () => {})
    await close()

    expect(collector.spans).toMatchObject([{ name: 'relay user.verified', parentSpanId: '00f067aa0ba902b7' }])
  })
})
