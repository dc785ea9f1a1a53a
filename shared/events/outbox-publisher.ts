import { type ComposeOptions, compose, DEFAULT_MAX_BYTES } from './compose.ts'
import type { Outbox, OutboxPublisher } from './outbox.ts'

export interface OutboxPublisherOptions<Trx>
  extends Pick<ComposeOptions, 'source'>,
    Partial<Omit<ComposeOptions, 'source'>> {
  readonly outbox: Outbox<Trx>
}

/** For a process that writes and leaves the sending to others, such as a command. */
export function createOutboxPublisher<Trx>({
  outbox,
  source,
  maxBytes = DEFAULT_MAX_BYTES,
  publishVersions = {},
  newId = () => crypto.randomUUID(),
  now = Date.now,
}: OutboxPublisherOptions<Trx>): OutboxPublisher<Trx> {
  const composing = { source, maxBytes, publishVersions, newId, now }
  return {
    async publish(contract, data, { trx, ...attributes }) {
      const event = compose(contract, data, attributes, composing)
      await outbox.add(trx, [event])
      return { id: event.id }
    },
  }
}
