import { check } from './decode.ts'
import { type Envelope, toFields } from './envelope.ts'
import { EventInvalidError } from './errors.ts'
import type { EventContract } from './event.ts'
import type { PublishContext } from './observer.ts'
import { convert } from './versions.ts'

export interface ComposeOptions {
  readonly source: string
  /** Attributes and data together, in bytes. */
  readonly maxBytes: number
  /** Events held back at an older version while a rollout lasts. */
  readonly publishVersions: Readonly<Record<string, number>>
  readonly newId: () => string
  readonly now: () => number
}

/** What a publisher may say about one event. */
export interface EventAttributes extends PublishContext {
  /** Repeating an id is safe where handlers keep an inbox. Default: a new UUID. */
  readonly id?: string
  /** When it happened. Default: now. */
  readonly time?: Date
}

/** 256 KiB. */
export const DEFAULT_MAX_BYTES = 256 * 1024

const encoder = new TextEncoder()

/** Attributes besides the data take at most this much, so most events are never measured. */
const ATTRIBUTES_BYTES = 4096
const MAX_BYTES_PER_UNIT = 3

/**
 * Checks the data and makes the event that will travel.
 *
 * @throws {EventInvalidError} `EVENT_INVALID`, with the paths, or with the limit when it is too large.
 */
export function compose(
  contract: EventContract,
  data: unknown,
  { id, time, correlationId, causationId, traceparent, tracestate, baggage }: EventAttributes,
  { source, maxBytes, publishVersions, newId, now }: ComposeOptions,
): Envelope {
  check(contract, contract.latest, data)
  const dataversion = publishVersions[contract.name] ?? contract.latest
  const sent = dataversion === contract.latest ? data : convert(contract, data, contract.latest, dataversion)
  if (sent !== data) check(contract, dataversion, sent)

  const eventId = id ?? newId()
  const envelope: Envelope = {
    id: eventId,
    source,
    type: contract.name,
    time: time?.toISOString() ?? timeText(now()),
    data: JSON.stringify(sent),
    dataversion,
    partitionkey: contract.keyOf(data) ?? eventId,
    correlationid: correlationId,
    causationid: causationId,
    traceparent,
    tracestate,
    baggage,
  }
  if (envelope.data.length * MAX_BYTES_PER_UNIT + ATTRIBUTES_BYTES > maxBytes) {
    const bytes = encoder.encode(toFields(envelope).join('')).length
    if (bytes > maxBytes) {
      throw new EventInvalidError(contract.name, [
        { path: '', message: `${bytes} bytes are over the limit of ${maxBytes}` },
      ])
    }
  }
  return envelope
}

let lastMs = Number.NaN
let lastText = ''

/** RFC 3339; many events are made within one millisecond. */
function timeText(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString()
    lastMs = ms
  }
  return lastText
}
