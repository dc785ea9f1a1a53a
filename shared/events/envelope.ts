import { EventUndecodableError } from './errors.ts'

/**
 * A CloudEvent 1.0 as it travels. Names are the attributes' own; `data` is JSON text, parsed only by who needs it.
 *
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export interface Envelope {
  readonly id: string
  readonly source: string
  readonly type: string
  /** RFC 3339. */
  readonly time: string
  readonly data: string
  readonly dataversion: number
  readonly partitionkey?: string | undefined
  readonly correlationid?: string | undefined
  readonly causationid?: string | undefined
  /** The outbox id, when the event came through one. */
  readonly sequence?: string | undefined
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  readonly baggage?: string | undefined
}

const EXTENSIONS = [
  'partitionkey',
  'correlationid',
  'causationid',
  'sequence',
  'traceparent',
  'tracestate',
  'baggage',
] as const
const JSON_MEDIA_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i
const SPEC_VERSION = '1.0'

/** One stream field per attribute, flat as XADD takes them: name, value, name, value. */
export function toFields(envelope: Envelope): string[] {
  const fields = [
    'specversion',
    SPEC_VERSION,
    'id',
    envelope.id,
    'source',
    envelope.source,
    'type',
    envelope.type,
    'time',
    envelope.time,
    'datacontenttype',
    'application/json',
    'dataversion',
    String(envelope.dataversion),
  ]
  for (const name of EXTENSIONS) {
    const value = envelope[name]
    if (value !== undefined) fields.push(name, value)
  }
  fields.push('data', envelope.data)
  return fields
}

function requireText(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw new EventUndecodableError(`the attribute ${name} is missing`)
}

function readVersion(value: unknown): number {
  if (value === undefined) return 1
  const version = Number(value)
  if (Number.isSafeInteger(version) && version >= 1) return version
  throw new EventUndecodableError('the attribute dataversion is not a whole number from 1')
}

function optionalText(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value)
}

function fromAttributes(attributes: Readonly<Record<string, unknown>>, data: string): Envelope {
  const { specversion, datacontenttype, time } = attributes
  if (specversion !== SPEC_VERSION) {
    throw new EventUndecodableError(
      specversion === undefined ? 'the attribute specversion is missing' : 'specversion is not 1.0',
    )
  }
  if (datacontenttype !== undefined && !JSON_MEDIA_TYPE.test(String(datacontenttype))) {
    throw new EventUndecodableError('datacontenttype is not JSON')
  }
  if (time !== undefined && Number.isNaN(Date.parse(String(time)))) {
    throw new EventUndecodableError('the attribute time is not a timestamp')
  }
  return {
    id: requireText(attributes.id, 'id'),
    source: requireText(attributes.source, 'source'),
    type: requireText(attributes.type, 'type'),
    time: time === undefined ? '' : String(time),
    data,
    dataversion: readVersion(attributes.dataversion),
    partitionkey: optionalText(attributes.partitionkey),
    correlationid: optionalText(attributes.correlationid),
    causationid: optionalText(attributes.causationid),
    sequence: optionalText(attributes.sequence),
    traceparent: optionalText(attributes.traceparent),
    tracestate: optionalText(attributes.tracestate),
    baggage: optionalText(attributes.baggage),
  }
}

/**
 * Reads an entry's fields; `time` is empty when the publisher gave none. Unknown fields are ignored.
 *
 * @throws {EventUndecodableError} `EVENT_UNDECODABLE` naming the attribute.
 */
export function fromFields(fields: Readonly<Record<string, string>>): Envelope {
  if (fields.data === undefined) throw new EventUndecodableError('the field data is missing')
  return fromAttributes(fields, fields.data)
}

/** One structured-mode JSON text, as Pub/Sub carries it. */
export function toStructured(envelope: Envelope): string {
  const { data, ...attributes } = envelope
  const head = JSON.stringify({
    specversion: SPEC_VERSION,
    datacontenttype: 'application/json',
    ...attributes,
  })
  return `${head.slice(0, -1)},"data":${data}}`
}

/** @throws {EventUndecodableError} `EVENT_UNDECODABLE` when the text is not a structured-mode JSON event. */
export function fromStructured(text: string): Envelope {
  const attributes = parseJson(text)
  if (typeof attributes !== 'object' || attributes === null || !('data' in attributes)) {
    throw new EventUndecodableError('the message is not a structured CloudEvent with data')
  }
  return fromAttributes(attributes as Record<string, unknown>, JSON.stringify(attributes.data))
}

/** @throws {EventUndecodableError} `EVENT_UNDECODABLE` when the text is not JSON; the text itself is not repeated. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new EventUndecodableError('the data is not JSON', { cause })
  }
}
