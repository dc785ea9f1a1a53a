import { randomBytes } from 'node:crypto'
import { createEvents, defineEvent, type EventObserver, redisTransports, toFields } from '@kiln/shared'
import { Type } from '@sinclair/typebox'
import { Redis } from 'ioredis'
import { Counter, Histogram, Registry } from 'prom-client'
import { findRedisBinary, startRedis } from '../../scripts/embedded/redis.ts'

/**
 * What the event library costs beside bare ioredis moving the same fields: one process, one private Redis, data of about
 * 300 bytes, validation and metrics on. The two sides take turns, and medians are compared.
 */
const rounds = 5
const eventsPerRound = 40_000
const soakEvents = Number(process.argv[2] ?? 500_000)

const Placed = defineEvent({
  name: 'order.placed',
  delivery: 'stream',
  key: (order) => `order/${order.order_id}`,
  versions: {
    1: Type.Object({
      order_id: Type.Integer(),
      customer: Type.String({ minLength: 1, maxLength: 100 }),
      note: Type.String({ maxLength: 500 }),
      lines: Type.Array(Type.Object({ sku: Type.String(), count: Type.Integer({ minimum: 1 }) })),
    }),
  },
})

const binary = findRedisBinary()
if (binary === undefined) {
  process.stderr.write('A redis-server or valkey-server (7 or newer) is needed on the PATH.\n')
  process.exit(1)
}
const server = await startRedis({ server: { binary } })
const connect = (_: string, options: object) => new Redis(server.url, options)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const bare = new Redis(server.url)

const registry = new Registry()
const registers = [registry]
const published = new Counter({ name: 'published_total', help: 'events', labelNames: ['type'], registers })
const consumed = new Counter({
  name: 'consumed_total',
  help: 'events',
  labelNames: ['type', 'outcome'],
  registers,
})
const duration = new Histogram({ name: 'handler_seconds', help: 'seconds', labelNames: ['type'], registers })
const observer: EventObserver = {
  published: (type, count) => published.inc({ type }, count),
  consumed({ type, outcome, durationMs }) {
    consumed.inc({ type, outcome })
    duration.observe({ type }, durationMs / 1000)
  },
}

const order = (order_id: number) => ({
  order_id,
  customer: 'a customer of the shop',
  note: 'x'.repeat(150),
  lines: [
    { sku: 'sku-0001', count: 2 },
    { sku: 'sku-0002', count: 1 },
  ],
})

/** The very fields that the library writes for one order. */
const fields = toFields({
  specversion: '1.0',
  id: crypto.randomUUID(),
  source: 'bench',
  type: Placed.name,
  time: new Date().toISOString(),
  datacontenttype: 'application/json',
  dataversion: 1,
  correlationid: crypto.randomUUID(),
  partitionkey: 'order/1',
  data: JSON.stringify(order(1)),
} as never)

async function openLibrary() {
  const prefix = `bench-${randomBytes(4).toString('hex')}`
  const transports = await redisTransports({
    connect,
    logger: silent,
    consumer: prefix,
    prefix,
    overflow: 'trim',
  })
  const events = createEvents({ service: 'bench', transports, logger: silent, observer })
  return { prefix, events, close: () => events.close(1000).then(() => transports.close()) }
}

/** Events a second of some work on `count` events. */
async function rate(count: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (count * 1000) / (performance.now() - startedAt)
}

const chunks = (size: number) => Array.from({ length: eventsPerRound / size }, (_, index) => index * size)
const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

async function barePipelines(size: number): Promise<number> {
  const key = `bare-${randomBytes(4).toString('hex')}`
  const result = await rate(eventsPerRound, async () => {
    for (const _ of chunks(size)) {
      const pipeline = bare.pipeline()
      for (let index = 0; index < size; index += 1) pipeline.xadd(key, '*', ...fields)
      await pipeline.exec()
    }
  })
  await bare.unlink(key)
  return result
}

async function libraryPublishes(publish: 'many' | 'each'): Promise<number> {
  const { events, prefix, close } = await openLibrary()
  const result = await rate(eventsPerRound, async () => {
    for (const from of chunks(500)) {
      const data = range(from, 500).map(order)
      if (publish === 'many') await events.publishMany(Placed, data)
      else await Promise.all(data.map((one) => events.publish(Placed, one)))
    }
  })
  await close()
  await dropKeys(prefix)
  return result
}

async function bareConsumes(): Promise<number> {
  const key = `bare-${randomBytes(4).toString('hex')}`
  await fill((pipeline) => pipeline.xadd(key, '*', ...fields))
  await bare.xgroup('CREATE', key, 'group', '0')
  let done = 0
  const result = await rate(eventsPerRound, async () => {
    while (done < eventsPerRound) {
      const reply = (await bare.xreadgroup('GROUP', 'group', 'me', 'COUNT', 100, 'STREAMS', key, '>')) as
        | [string, [string, string[]][]][]
        | null
      const ids = reply?.[0]?.[1].map(([id]) => id) ?? []
      await bare.xack(key, 'group', ...ids)
      done += ids.length
    }
  })
  await bare.unlink(key)
  return result
}

async function libraryConsumes(kind: 'one' | 'batch'): Promise<number> {
  const filling = await openLibrary()
  for (const from of chunks(500)) await filling.events.publishMany(Placed, range(from, 500).map(order))
  const { prefix } = filling
  const transports = await redisTransports({ connect, logger: silent, consumer: 'bench', prefix })
  const events = createEvents({ service: 'bench', transports, logger: silent, observer })
  let done = 0
  let finish = () => {}
  const all = new Promise<void>((resolve) => {
    finish = resolve
  })
  const count = (more: number) => {
    done += more
    if (done === eventsPerRound) finish()
  }
  const options = { name: 'bench', from: 'beginning', concurrency: 500 } as const
  if (kind === 'one') events.subscribe(Placed, options, () => count(1))
  else events.subscribeBatch(Placed, options, (batch) => count(batch.length))
  const result = await rate(eventsPerRound, async () => {
    await events.start()
    await all
  })
  await events.close(1000)
  await transports.close()
  await filling.close()
  await dropKeys(prefix)
  return result
}

async function idleLatencyMs(count = 500): Promise<readonly number[]> {
  const { events, prefix, close } = await openLibrary()
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
  await dropKeys(prefix)
  return latencies.sort((one, other) => one - other)
}

/** Resident memory while events flow through publisher and handler, sampled ten times. */
async function soakMiB(): Promise<readonly number[]> {
  const { events, prefix, close } = await openLibrary()
  let done = 0
  events.subscribe(Placed, { name: 'soak', concurrency: 500 }, () => {
    done += 1
  })
  await events.start()
  const samples: number[] = []
  for (let sent = 0; sent < soakEvents; sent += 500) {
    await events.publishMany(Placed, range(sent, 500).map(order))
    while (sent - done > 5000) await new Promise((resolve) => setTimeout(resolve, 1))
    if (sent % (soakEvents / 10) < 500) {
      await bare.xtrim(`${prefix}:{order}`, 'MAXLEN', '~', 20_000)
      samples.push(Math.round(process.memoryUsage.rss() / 2 ** 20))
    }
  }
  await close()
  await dropKeys(prefix)
  return samples
}

async function fill(add: (pipeline: ReturnType<typeof bare.pipeline>) => unknown): Promise<void> {
  for (const _ of chunks(500)) {
    const pipeline = bare.pipeline()
    for (let index = 0; index < 500; index += 1) add(pipeline)
    await pipeline.exec()
  }
}

async function dropKeys(prefix: string): Promise<void> {
  for (const key of await bare.keys(`${prefix}*`)) await bare.unlink(key)
}

const median = (values: readonly number[]) =>
  [...values].sort((one, other) => one - other)[values.length >> 1] as number
const say = (text: string) => process.stdout.write(`${text}\n`)

async function compare(title: string, sides: Readonly<Record<string, () => Promise<number>>>): Promise<void> {
  const rates = new Map(Object.keys(sides).map((name) => [name, [] as number[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(sides)) rates.get(name)?.push(await run())
  }
  say(`\n${title}`)
  const [base = []] = rates.values()
  for (const [name, values] of rates) {
    const ratio = median(values.map((value, round) => value / (base[round] as number)))
    say(
      `  ${name.padEnd(44)} ${Math.round(median(values)).toLocaleString('en').padStart(9)} /s  ${ratio.toFixed(2)}`,
    )
  }
}

say(
  `events of ${JSON.stringify(order(1)).length} bytes, ${fields.length / 2} fields, ${rounds} rounds of ${eventsPerRound}`,
)
await compare('publishing', {
  'bare ioredis, pipelines of 500': () => barePipelines(500),
  'publishMany, 500 at a time': () => libraryPublishes('many'),
  'publish, 500 at once': () => libraryPublishes('each'),
})
await compare('consuming', {
  'bare XREADGROUP COUNT 100 and one XACK': bareConsumes,
  'subscribe, a handler that does nothing': () => libraryConsumes('one'),
  'subscribeBatch, a handler that does nothing': () => libraryConsumes('batch'),
})
const latencies = await idleLatencyMs()
const at = (share: number) => (latencies[Math.floor(latencies.length * share)] as number).toFixed(2)
say(`\nlatency from publish to handler, idle: median ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms`)
say(`\nresident memory over ${soakEvents.toLocaleString('en')} events: ${(await soakMiB()).join(', ')} MiB`)
bare.disconnect()
await server.stop()
