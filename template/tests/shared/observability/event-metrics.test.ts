import { afterEach, describe, expect, test } from 'bun:test'
import {
  contracts,
  createEvents,
  createRegistry,
  memoryTransports,
  PermanentError,
  silentLogger,
} from '@kiln/shared'
import { currentWork, runAs, traceContextOf, workFields } from '@kiln/shared/context'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { HealthChecked } from '@kiln/shared/contracts/system'
import { UserUpdated } from '@kiln/shared/contracts/user'
import { eventContext, eventMetrics, subscriptionMetrics } from '@kiln/shared/observability'
import { eventually } from '@kiln/shared/testing'
import { Registry } from 'prom-client'
import { buildRequest } from '../../../../tests/support/build-request.ts'

const updated = { user_id: 7, changed: ['role'], updated_at: '2026-01-01T00:00:00Z' }
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

const opened: { close: () => Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

function measuredEvents() {
  const registry = new Registry()
  const transports = memoryTransports()
  const types = createRegistry(contracts).names
  const observer = { ...eventContext(), ...eventMetrics({ registry, types }) }
  const events = createEvents({ service: 'measured', transports, logger: silentLogger, observer })
  subscriptionMetrics({ registry, service: 'measured', ...transports })
  opened.push(events)
  return { events, transports, expose: () => registry.metrics() }
}

describe('what is measured of events', () => {
  test('published and handled are counted and timed by type and subscription', async () => {
    const { events, expose } = measuredEvents()
    events.subscribe(UserUpdated, { name: 'profile' }, () => {})
    await events.start()

    await events.publishMany(UserUpdated, [updated, updated])

    await eventually(async () => {
      const text = await expose()
      expect(text).toContain(
        'messaging_client_sent_messages_total{event_type="user.updated",error_type=""} 2',
      )
      expect(text).toContain(
        'messaging_client_consumed_messages_total{event_type="user.updated",subscription="profile",replay="false"} 2',
      )
      expect(text).toContain(
        'messaging_process_duration_seconds_count{event_type="user.updated",subscription="profile",outcome="done"} 2',
      )
      expect(text).toContain(
        'event_end_to_end_latency_seconds_count{event_type="user.updated",subscription="profile"} 2',
      )
    })
  })

  test('retries and dead letters are counted, and what lies there is shown by stream', async () => {
    const { events, expose } = measuredEvents()
    const backoff = { baseMs: 1, maxMs: 1 }
    events.subscribe(UserUpdated, { name: 'profile', attempts: 2, backoff }, () => {
      throw new Error('no')
    })
    events.subscribe(RequestCreated, { name: 'requests' }, () => {
      throw new PermanentError('never')
    })
    await events.start()

    await events.publish(UserUpdated, updated)
    await events.publish(RequestCreated, buildRequest())

    await eventually(async () => {
      const text = await expose()
      expect(text).toContain('event_retries_total{event_type="user.updated",subscription="profile"} 1')
      expect(text).toContain('event_dead_letters_total{event_type="user.updated",subscription="profile"} 1')
      expect(text).toContain('event_subscription_dead_letters{stream="request",subscription="requests"} 1')
      expect(text).toContain('event_subscription_lag{stream="user",subscription="profile"} 0')
      expect(text).toContain('event_subscription_oldest_age_seconds{stream="user",subscription="profile"} 0')
    })
  })

  test('types that nobody declared share one label', async () => {
    const { events, transports, expose } = measuredEvents()
    events.subscribe(UserUpdated, { name: 'profile' }, () => {})
    await events.start()

    await transports.streams.append('user', [['specversion', '1.0', 'data', '{}']])

    await eventually(async () =>
      expect(await expose()).toContain(
        'event_dead_letters_total{event_type="_other",subscription="profile"} 1',
      ),
    )
  })

  test('broadcasts are counted as well', async () => {
    const { events, expose } = measuredEvents()

    const data = { service: 's', instance: 'i', status: 'healthy', checked_at: updated.updated_at } as const
    await events.publish(HealthChecked, data)

    expect(await expose()).toContain('{event_type="system.health_check",error_type=""} 1')
  })
})

describe('what an event carries along', () => {
  test('correlation id and trace go from the publisher into the handler, and on into what it publishes', async () => {
    const { events, transports } = measuredEvents()
    const seen: Record<string, unknown>[] = []
    events.subscribe(RequestCreated, { name: 'requests' }, async () => {
      seen.push(workFields())
      await events.publish(UserUpdated, updated)
    })
    await events.start()

    await runAs({ correlationId: 'abc', trace: traceContextOf(traceparent) }, () =>
      events.publish(RequestCreated, buildRequest(), { id: 'first' }),
    )

    const [published] = await eventually(async () => {
      const entries = await transports.streams.range('user', '0-0', 10)
      expect(entries).toHaveLength(1)
      return entries
    })
    expect(seen).toEqual([
      {
        correlation_id: 'abc',
        event_id: 'first',
        event_type: 'request.created',
        subscription: 'requests',
        trace_id: '0af7651916cd43dd8448eb211c80319c',
        span_id: 'b7ad6b7169203331',
      },
    ])
    expect(published?.fields).toMatchObject({ correlationid: 'abc', causationid: 'first', traceparent })
  })

  test('an event that arrives without a correlation id begins one: its own id', async () => {
    const { events } = measuredEvents()
    const seen: unknown[] = []
    events.subscribe(UserUpdated, { name: 'profile' }, () => seen.push(currentWork()?.correlationId))
    await events.start()

    await events.publish(UserUpdated, updated, { id: 'alone' })

    await eventually(() => expect(seen).toEqual(['alone']))
  })

  test('a batch of events that differ has no correlation id', async () => {
    const { events } = measuredEvents()
    const seen: unknown[] = []
    events.subscribeBatch(UserUpdated, { name: 'profile', from: 'beginning' }, (batch) =>
      seen.push([batch.length, currentWork()?.correlationId]),
    )
    await events.publishMany(UserUpdated, [updated, updated])
    await events.start()

    await eventually(() => expect(seen).toEqual([[2, undefined]]))
  })
})
