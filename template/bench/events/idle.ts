import { order, Placed } from './orders.ts'
import type { BenchRedis } from './redis.ts'

/** From publish to handler, one event after the other. @returns milliseconds, ascending. */
export async function idleLatencyMs({ openLibrary }: BenchRedis, count = 500): Promise<readonly number[]> {
  const { events, close, dropKeys } = await openLibrary()
  let received = (_: number) => {}
  events.subscribe(Placed, { name: 'latency' }, (event) => received(event.data.order_id))
  await events.start()
  const latencies: number[] = []
  for (let id = 1; id <= count; id += 1) {
    const arrived = new Promise<void>((resolve) => {
      received = (orderId) => orderId === id && resolve()
    })
    const sentAt = performance.now()
    await events.publish(Placed, order(id))
    await arrived
    latencies.push(performance.now() - sentAt)
  }
  await close()
  await dropKeys()
  return latencies.sort((one, other) => one - other)
}
