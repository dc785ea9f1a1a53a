import { MemoryBroadcast } from './memory/broadcast.ts'
import { MemoryBroker, MemoryStreams } from './memory/streams.ts'
import { memoryStore, type SubscriptionStore } from './store.ts'
import type { BroadcastTransport, StreamTransport } from './transport.ts'

/** What `createEvents` is given: made, and closed after it, by the same hands. */
export interface Transports {
  readonly streams: StreamTransport
  readonly broadcasts: BroadcastTransport
  readonly store: SubscriptionStore
  close(): Promise<void>
}

/** Events within this process, lost with it. Clients of one broker are replicas of each other. */
export function memoryTransports({
  broker = new MemoryBroker(),
  store = memoryStore(),
  consumer = 'memory',
}: {
  readonly broker?: MemoryBroker
  readonly store?: SubscriptionStore
  readonly consumer?: string
} = {}): Transports {
  const streams = new MemoryStreams(broker, consumer)
  const broadcasts = new MemoryBroadcast(broker)
  return {
    streams,
    broadcasts,
    store,
    async close() {
      await broadcasts.close()
      await streams.close()
    },
  }
}
