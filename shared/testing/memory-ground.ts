import { MemoryBroker } from '../events/memory/streams.ts'
import { memoryReplayJobs } from '../events/replay-jobs.ts'
import { memoryStore } from '../events/store.ts'
import { memoryTransports } from '../events/transports.ts'
import type { Ground } from './delivery-suite.ts'

/** Where the delivery suite runs on memory: consumers of one ground share its streams. */
export async function memoryGround(): Promise<Ground> {
  const shared = {
    broker: new MemoryBroker(),
    store: { ...memoryStore(), exclusive: false },
    replays: memoryReplayJobs(),
  }
  return {
    transports: async (consumer) => memoryTransports({ ...shared, consumer }),
    close: async () => {},
  }
}
