import { parseArgs } from 'node:util'
import { consuming } from './events/consuming.ts'
import { idleLatencyMs } from './events/idle.ts'
import { fields, order } from './events/orders.ts'
import { publishing } from './events/publishing.ts'
import { startBenchRedis } from './events/redis.ts'
import { compare, eventsPerRound } from './events/rounds.ts'
import { soak } from './events/soak.ts'

/**
 * What the event library costs beside bare ioredis moving the same fields: one process, one private Redis, data of about
 * 300 bytes, validation, metrics and tracing (one trace in ten) on. The two sides take turns, and medians are compared.
 *
 * `events.ts [count] [--soak]`: how many events the memory is watched for, and only that.
 */
const { values, positionals } = parseArgs({ allowPositionals: true, options: { soak: { type: 'boolean' } } })
const soakEvents = Number(positionals[0] ?? 500_000)
const say = (...lines: readonly string[]) => process.stdout.write(`${lines.join('\n')}\n`)

const redis = await startBenchRedis()
say(`events of ${JSON.stringify(order(1)).length} bytes in ${fields.length / 2} fields`)
if (!values.soak) {
  say(`\npublishing ${eventsPerRound.toLocaleString('en')}`, ...(await compare(publishing(redis))))
  say('\nconsuming as many', ...(await compare(consuming(redis))))
  const latencies = await idleLatencyMs(redis)
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] as number).toFixed(2)
  say(`\nfrom publish to handler, idle: median ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms`)
}
const { residentMiB, eventsPerSecond } = await soak(redis, soakEvents)
say(
  `\nresident memory over ${soakEvents.toLocaleString('en')} events, ` +
    `${Math.round(eventsPerSecond).toLocaleString('en')} a second: ${residentMiB.join(', ')} MiB`,
)
await redis.stop()
