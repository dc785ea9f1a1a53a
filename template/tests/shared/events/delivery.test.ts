import { after, test as nodeTest } from 'node:test'
import { MemoryBroker } from '../../../../shared/events/memory/streams.ts'
import type { Connect } from '../../../../shared/events/redis/connections.ts'
import { redisTransports } from '../../../../shared/events/redis/transports.ts'
import { memoryReplayJobs } from '../../../../shared/events/replay-jobs.ts'
import { memoryStore } from '../../../../shared/events/store.ts'
import { memoryTransports } from '../../../../shared/events/transports.ts'
import { deliverySuite } from '../../../../shared/testing/delivery-suite.ts'
import { hasRedisServer, newerRedisBinary, startRedis } from './support/redis-server.ts'
import { silent } from './support/silent.ts'
import { startCluster } from './support/topologies.ts'

const TIMEOUT_MS = 20_000

const test = (name: string, run: () => Promise<void>) => nodeTest(name, { timeout: TIMEOUT_MS }, run)
const stops: (() => Promise<void>)[] = []
let grounds = 0

after(async () => {
  for (const stop of stops) await stop()
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

type Start = () => Promise<{ readonly connect: Connect; stop(): Promise<void> }>

const servers: Readonly<Record<string, Start>> = {
  redis: () => startRedis(),
  'redis cluster': () => startCluster(),
  ...(newerRedisBinary && {
    [`redis of ${newerRedisBinary}`]: () => startRedis([], { program: newerRedisBinary }),
  }),
}

for (const [name, start] of Object.entries(servers)) {
  const started = hasRedisServer ? await start() : undefined
  if (started) stops.push(started.stop)
  deliverySuite({
    test: started
      ? test
      : (sentence) => nodeTest(sentence, { skip: 'there is no Redis on the PATH' }, () => {}),
    name,
    open: async () => {
      if (!started) throw new Error('there is no Redis')
      const prefix = `suite-${++grounds}`
      return {
        transports: (process) =>
          redisTransports({
            connect: started.connect,
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
