/**
 * The delivery suite as a program, so that it also runs compiled: each sentence is a line on stdout, in JSON.
 *
 * `REDIS_URL` names a server; without one only the memory transport is shown.
 */
import { redisTransports } from '../events/redis/transports.ts'
import { silentLogger } from '../events/silent-logger.ts'
import { eventConnector } from '../redis.ts'
import { deliverySuite, type Ground } from './delivery-suite.ts'
import { memoryGround } from './memory-ground.ts'

/** One sentence, and why it does not hold. */
export interface Outcome {
  readonly name: string
  readonly error?: string | undefined
}

/** They wait most of the time. */
const atOnce = 6

const sentences: { name: string; run: () => Promise<void> }[] = []
const test = (name: string, run: () => Promise<void>) => sentences.push({ name, run })
const { REDIS_URL: url, EVENTS_PREFIX: prefix } = process.env
let grounds = 0

deliverySuite({ test, name: 'memory', open: memoryGround })
if (url) {
  const connect = eventConnector(url, { name: 'delivery', timeoutMs: 5000 })
  const onRedis = async (): Promise<Ground> => {
    const shared = {
      connect,
      logger: silentLogger,
      prefix: `${prefix}-${++grounds}`,
      keepAliveMs: 500,
      leaseMs: 1000,
    }
    return {
      transports: (consumer) => redisTransports({ ...shared, consumer }),
      close: async () => {},
    }
  }
  deliverySuite({ test, name: 'redis', open: onRedis })
}

async function work(): Promise<void> {
  for (let next = sentences.shift(); next !== undefined; next = sentences.shift()) {
    const { name, run } = next
    const error = await run().then(
      () => undefined,
      (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
    )
    const outcome: Outcome = { name, error }
    process.stdout.write(`${JSON.stringify(outcome)}\n`)
  }
}

await Promise.all(Array.from({ length: atOnce }, work))
process.exit(0)
