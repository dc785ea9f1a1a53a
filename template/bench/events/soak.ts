import { orders, Placed } from './orders.ts'
import type { BenchRedis } from './redis.ts'

const samples = 20
const chunk = 500
/** As many may wait to be handled, so that it is not the queue that is measured. */
const maxBehind = 5000

export interface Soak {
  readonly eventsPerSecond: number
  /** Resident after each twentieth, MiB. */
  readonly residentMiB: readonly number[]
}

/** Resident memory while events flow through publisher and handler of one process. */
export async function soak({ bare, openLibrary }: BenchRedis, count: number): Promise<Soak> {
  const { events, prefix, close, dropKeys } = await openLibrary()
  let done = 0
  events.subscribe(Placed, { name: 'soak', concurrency: 500 }, () => {
    done += 1
  })
  await events.start()
  const residentMiB: number[] = []
  const startedAt = performance.now()
  for (let sent = 0; sent < count; ) {
    await events.publishMany(Placed, orders(sent, chunk))
    sent += chunk
    while (sent - done > maxBehind) await new Promise((resolve) => setTimeout(resolve, 1))
    if (sent * samples >= count * (residentMiB.length + 1)) {
      await bare.xtrim(`${prefix}:{order}`, 'MAXLEN', '~', 20_000)
      residentMiB.push(Math.round(process.memoryUsage.rss() / 2 ** 20))
    }
  }
  const eventsPerSecond = (count * 1000) / (performance.now() - startedAt)
  await close()
  await dropKeys()
  return { eventsPerSecond, residentMiB }
}
