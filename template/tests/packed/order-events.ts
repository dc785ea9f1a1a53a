import { contracts, createEvents, createRegistry, redisTransports } from '@kiln/shared'
import { defineEvent } from '@kiln/shared/event'
import { eventConnector } from '@kiln/shared/redis'
import { Type } from '@sinclair/typebox'

/** An event goes to Redis and comes back, on any runtime; its contract is the program's own. */
const OrderPlaced = defineEvent({
  name: 'order.placed',
  delivery: 'stream',
  key: ({ order_id }) => `order/${order_id}`,
  versions: { 1: Type.Object({ order_id: Type.String() }) },
})
const registry = createRegistry([...contracts, OrderPlaced])

const [url = '', prefix = ''] = process.argv.slice(2)
const quiet = () => {}
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
const connect = eventConnector(url, { name: 'orders', timeoutMs: 5000 })
const transports = await redisTransports({ connect, logger, consumer: 'orders', prefix })
const events = createEvents({ service: 'orders', transports, logger })
const received = new Promise<string>((resolve) => {
  events.subscribe(OrderPlaced, { name: 'orders', from: 'beginning' }, async ({ data }) =>
    resolve(data.order_id),
  )
})
await events.start()
await events.publish(registry.get('order.placed'), { order_id: 'o-1' })
process.stdout.write(`received ${await received}\n`)
await events.close()
await transports.close()
