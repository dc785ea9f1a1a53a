import { after, test as nodeTest } from 'node:test'
import { MemoryBroker } from '../../../shared/events/memory/streams.ts'
import { redisTransports } from '../../../shared/events/redis/transports.ts'
import { memoryReplayJobs } from '../../../shared/events/replay-jobs.ts'
import { memoryStore } from '../../../shared/events/store.ts'
import { memoryTransports } from '../../../shared/events/transports.ts'
import { deliverySuite } from '../../../shared/testing/delivery-suite.ts'
import { startClusterNode, startRedis } from './support/redis-server.ts'
import { silent } from './support/silent.ts'

const TIMEOUT_MS = 20_000

const redis = await startRedis()
const cluster = await startClusterNode()
const test = (name: string, run: () => Promise<void>) => nodeTest(name, { timeout: TIMEOUT_MS }, run)
let grounds = 0

after(async () => {
  await redis.stop()
  await cluster.stop()
})

deliverySuite({
  test,
  name: 'memory',
  open: async () => {
    const shared = {
      broker: new MemoryBroker(),
      store: { ...memoryStore(), exclusive: false },
      replays: memoryReplayJobs(),
    }
    return {
      transports: async (process) => memoryTransports({ ...shared, consumer: process }),
      close: async () => {},
    }
  },
})

for (const [name, connect] of [
  ['redis', redis.connect],
  ['redis cluster', cluster.connectCluster],
] as const) {
  deliverySuite({
    test,
    name,
    open: async () => {
      const prefix = `suite-${++grounds}`
      return {
        transports: (process) =>
          redisTransports({
            connect,
            logger: silent,
            consumer: process,
            prefix,
            keepAliveMs: 500,
            leaseMs: 1000,
          }),
        close: async () => {},
      }
    },
  })
}
