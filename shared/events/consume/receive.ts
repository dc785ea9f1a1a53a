import { readData, readKey } from '../decode.ts'
import { notedAttempts, originOf } from '../entry.ts'
import { millisecondsOf } from '../entry-id.ts'
import { fromFields } from '../envelope.ts'
import { EventError, EventUndecodableError, EventVersionUnknownError } from '../errors.ts'
import { type Entry, NOTE } from '../transport.ts'
import type { Received, ReceivedEvent, Subscription } from './subscription.ts'

/** What is to become of an entry, decided before any handler runs. */
export type Verdict =
  | { readonly kind: 'handle'; readonly received: Received }
  | { readonly kind: 'skip' }
  | { readonly kind: 'park'; readonly key: string | undefined }
  | { readonly kind: 'refuse'; readonly error: EventError; readonly key: string | undefined }

/**
 * Reads an entry for one subscription. A type it did not ask for is skipped, whatever its shape; one it did ask for
 * is refused when it cannot be read, and so is an entry with no readable type.
 */
export function receive(entry: Entry, subscription: Subscription, replay: boolean): Verdict {
  const { fields } = entry
  const contract = fields.type === undefined ? undefined : subscription.contracts.get(fields.type)
  if (!contract && fields.type) return { kind: 'skip' }
  try {
    const envelope = fromFields(fields)
    if (!contract) throw new EventUndecodableError('the attribute type is missing')
    const data = readData(contract, envelope)
    const entryId = originOf(entry)
    const event = {
      id: envelope.id,
      source: envelope.source,
      type: envelope.type,
      time: envelope.time || new Date(millisecondsOf(entryId)).toISOString(),
      data,
      key: readKey(contract, envelope, data),
      correlationId: envelope.correlationid,
      causationId: envelope.causationid,
      sequence: envelope.sequence,
      entryId,
      attempt: notedAttempts(entry) + entry.deliveries,
      redelivered: fields[NOTE.redelivered] !== undefined,
      replay: replay || fields[NOTE.replay] !== undefined,
    } satisfies ReceivedEvent
    return { kind: 'handle', received: { envelope, event } }
  } catch (error) {
    const key = fields.partitionkey
    if (error instanceof EventVersionUnknownError) return { kind: 'park', key }
    return { kind: 'refuse', error: asRefusal(error), key }
  }
}

function asRefusal(error: unknown): EventError {
  if (error instanceof EventError) return error
  return new EventUndecodableError('the event could not be brought to the version asked for', {
    cause: error,
  })
}
