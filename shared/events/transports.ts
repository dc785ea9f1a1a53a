import type { StreamTail } from './live/tail.ts'
import { MemoryBroadcast } from './memory/broadcast.ts'
import { MemoryBroker, MemoryStreams } from './memory/streams.ts'
import { memoryTail } from './memory/tail.ts'
import { memoryReplayJobs, type ReplayJobs } from './replay-jobs.ts'
import { memoryStore, type SubscriptionStore } from './store.ts'
import type { BroadcastTransport, StreamTransport } from './transport.ts'

/** What `createEvents` is given: made, and closed after it, by the same hands. */
export interface Transports {
  readonly streams: StreamTransport
  readonly broadcasts: BroadcastTransport
  readonly store: SubscriptionStore
  readonly replays: ReplayJobs
  /** Whoever opens it closes it. */
  openTail(): StreamTail
  close(): Promise<void>
}

/** Events within this process, lost with it. Clients of one broker are replicas of each other. */
export function memoryTransports({
  broker = new MemoryBroker(),
  store = memoryStore(),
  replays = memoryReplayJobs(),
  consumer = 'memory',
}: {
  readonly broker?: MemoryBroker
  readonly store?: SubscriptionStore
  readonly replays?: ReplayJobs
  readonly consumer?: string
} = {}): Transports {
  const streams = new MemoryStreams(broker, consumer)
  const broadcasts = new MemoryBroadcast(broker)
  return {
    streams,
    broadcasts,
    store,
    replays,
    openTail: () => memoryTail(broker),
    async close() {
      await broadcasts.close()
      await streams.close()
    },
  }
}
