import { after, test as nodeTest } from 'node:test'
import { silentLogger } from '@kiln/shared'
import type { Connect } from '../../../../shared/events/redis/connections.ts'
import { redisTransports } from '../../../../shared/events/redis/transports.ts'
import { deliverySuite } from '../../../../shared/testing/delivery-suite.ts'
import { memoryGround } from '../../../../shared/testing/memory-ground.ts'
import { hasRedisServer, newerRedisBinary, startRedis } from './support/redis-server.ts'
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
  open: memoryGround,
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
            logger: silentLogger,
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
