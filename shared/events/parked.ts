import { EventError } from './errors.ts'
import type { SubscriptionStore } from './store.ts'
import { NOTE, type StreamTransport } from './transport.ts'

const MAX_LISTED = 1000

/** An event that waits for a release which knows its version; it comes back by itself. */
export interface ParkedEvent {
  /** `<tag>/<id>` */
  readonly id: string
  readonly type: string
  readonly eventId: string
  readonly version: number
  /** The id it had in its domain's stream. */
  readonly origin: string
}

/**
 * What is parked for a subscription, oldest first, at most 1,000 a tag.
 *
 * @throws {EventError} `EVENT_UNKNOWN` when no such subscription is registered.
 */
export async function listParked(
  group: string,
  streams: StreamTransport,
  store: SubscriptionStore,
): Promise<readonly ParkedEvent[]> {
  const record = (await store.list()).find((one) => one.group === group)
  if (!record) throw new EventError('EVENT_UNKNOWN', `no subscription has the group ${group}`)
  const parked: ParkedEvent[] = []
  for (const tag of record.tags) {
    for (const { id, fields } of await streams.operate(tag, group).parked('0-0', MAX_LISTED)) {
      parked.push({
        id: `${tag}/${id}`,
        type: fields.type ?? '',
        eventId: fields.id ?? '',
        version: Number(fields.dataversion ?? 1),
        origin: fields[NOTE.origin] ?? '',
      })
    }
  }
  return parked
}
