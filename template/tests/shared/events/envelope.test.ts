import { describe, expect, test } from 'bun:test'
import { CloudEvent, HTTP } from 'cloudevents'
import {
  type Envelope,
  fromFields,
  fromStructured,
  toFields,
  toStructured,
} from '../../../../shared/events/envelope.ts'

const envelope: Envelope = {
  id: '0198-a',
  source: 'example-service',
  type: 'user.created',
  time: '2026-01-02T03:04:05.678Z',
  data: '{"user_id":7,"full_name":"Ада \\"L\\""}',
  dataversion: 2,
  partitionkey: 'user/7',
  correlationid: 'c-1',
  causationid: 'e-0',
  sequence: '42',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'a=b',
}
const minimal = { specversion: '1.0', id: '1', source: '/s', type: 'a.b', data: '{}' }

function record(fields: readonly string[]): Record<string, string> {
  const entries: [string, string][] = []
  for (let i = 0; i < fields.length; i += 2) entries.push([fields[i] ?? '', fields[i + 1] ?? ''])
  return Object.fromEntries(entries)
}

describe('an envelope', () => {
  test('survives the stream and Pub/Sub unchanged', () => {
    expect(fromFields(record(toFields(envelope)))).toEqual(envelope)
    expect(fromStructured(toStructured(envelope))).toEqual(envelope)
  })

  test('written as stream fields is a valid event for the CloudEvents SDK', () => {
    const { data, ...attributes } = record(toFields(envelope))

    const decoded = new CloudEvent({ ...attributes, data: JSON.parse(data ?? '') })

    expect(decoded.validate()).toBe(true)
    expect(decoded.type).toBe('user.created')
    expect(decoded.partitionkey).toBe('user/7')
    expect(decoded.data).toEqual({ user_id: 7, full_name: 'Ада "L"' })
  })

  test('written as a Pub/Sub message is decoded by the CloudEvents SDK', () => {
    const message = {
      headers: { 'content-type': 'application/cloudevents+json' },
      body: toStructured(envelope),
    }

    const decoded = HTTP.toEvent(message) as CloudEvent<unknown>

    expect(decoded.validate()).toBe(true)
    expect(decoded).toMatchObject({
      id: '0198-a',
      source: 'example-service',
      dataversion: 2,
      correlationid: 'c-1',
    })
    expect(decoded.data).toEqual({ user_id: 7, full_name: 'Ада "L"' })
  })

  test('written by the CloudEvents SDK is read from both', () => {
    const written = new CloudEvent({
      source: 'https://example.org/other',
      type: 'user.created',
      dataversion: 1,
      correlationid: 'c-9',
      datacontenttype: 'application/json; charset=utf-8',
      data: { user_id: 9, first_name: 'Grace', role: 'admin' },
    })
    const { data, ...attributes } = written.toJSON()
    const fields = Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [name, String(value)]),
    )

    const streamed = fromFields({ ...fields, data: JSON.stringify(data) })
    const broadcast = fromStructured(HTTP.structured(written).body as string)

    expect(streamed).toEqual(broadcast)
    expect(streamed).toMatchObject({
      id: written.id,
      dataversion: 1,
      correlationid: 'c-9',
      time: written.time,
    })
    expect(JSON.parse(streamed.data)).toEqual({ user_id: 9, first_name: 'Grace', role: 'admin' })
  })

  test('without a version is version 1, without a time has none', () => {
    expect(fromFields(minimal)).toMatchObject({ dataversion: 1, time: '', partitionkey: undefined })
  })
})

describe('an entry is refused by name of what is wrong', () => {
  const cases: readonly [string, Record<string, string | undefined>][] = [
    ['the attribute specversion is missing', { specversion: undefined }],
    ['specversion is not 1.0', { specversion: '0.3' }],
    ['the attribute id is missing', { id: '' }],
    ['the attribute source is missing', { source: undefined }],
    ['the attribute type is missing', { type: undefined }],
    ['the field data is missing', { data: undefined }],
    ['datacontenttype is not JSON', { datacontenttype: 'text/xml' }],
    ['the attribute time is not a timestamp', { time: 'yesterday' }],
    ['the attribute dataversion is not a whole number', { dataversion: 'two' }],
    ['the attribute dataversion is not a whole number', { dataversion: '0' }],
  ]
  for (const [reason, change] of cases) {
    test(`${reason}: ${JSON.stringify(change)}`, () => {
      const entry = { ...minimal, ...change } as Record<string, string>
      expect(() => fromFields(entry)).toThrow(reason)
    })
  }

  test('and so is a broadcast that is not a structured event', () => {
    for (const text of ['', '[]', 'null', '"x"', '{"specversion":"1.0"}', '{broken']) {
      expect(() => fromStructured(text)).toThrow(expect.objectContaining({ code: 'EVENT_UNDECODABLE' }))
    }
  })
})
