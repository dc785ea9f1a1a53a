import { Registry } from 'prom-client'
import { findRedisBinary, startRedis } from '../../scripts/embedded/redis.ts'
import { UserUpdated } from '../../shared/events/contracts/user.ts'
import type { Envelope } from '../../shared/events/envelope.ts'
import {
  contracts,
  createEvents,
  type Events,
  type RedisTransports,
  redisTransports,
  toFields,
} from '../../shared/index.ts'
import { eventContext, eventMetrics } from '../../shared/observability/index.ts'
import { createRedisClient, eventConnector } from '../../shared/redis.ts'

/**
 * Events against bare ioredis moving the same fields, in one process: validation and metrics on, about 300 B of data.
 *
 * `bun bench/events.ts [events per round] [rounds]`; the two sides take turns, and the median of the rounds counts.
 */
const perRound = Number(process.argv[2] ?? 50_000)
const rounds = Number(process.argv[3] ?? 3)
const AT_ONCE = 500
const READ_COUNT = 100

const data = {
  user_id: 4711,
  changed: ['first_name', 'last_name', 'role'],
  first_name: 'Maximiliane',
  last_name: 'Mustermann-Beispiel',
  role: 'executor' as const,
  updated_at: '2026-01-01T00:00:00.000Z',
  // Additive fields pass the contract: they bring the data to its size.
  notes: 'x'.repeat(110),
}
const quiet = () => {}
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
const say = (text: string) => process.stdout.write(`${text}\n`)

function fieldsOf(): string[] {
  const id = crypto.randomUUID()
  const envelope: Envelope = {
    id,
    source: 'bench',
    type: UserUpdated.name,
    time: new Date().toISOString(),
    data: JSON.stringify(data),
    dataversion: 1,
    partitionkey: 'user/4711',
    correlationid: id,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }
  return toFields(envelope)
}

/** Events a second. */
async function timed(run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await run()
  return perRound / ((performance.now() - startedAt) / 1000)
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

async function openEvents(url: string, prefix: string, observer: object) {
  const transports = await redisTransports({
    connect: eventConnector(url, { name: 'bench', timeoutMs: 5000 }),
    logger,
    consumer: crypto.randomUUID(),
    prefix,
  })
  return { transports, events: createEvents({ service: 'bench', transports, logger, observer }) }
}

const attributes = {
  correlationId: crypto.randomUUID(),
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
}

async function publishMany(events: Events): Promise<void> {
  const batch = Array.from({ length: AT_ONCE }, () => data)
  for (let sent = 0; sent < perRound; sent += AT_ONCE)
    await events.publishMany(UserUpdated, batch, attributes)
}

async function publishAtOnce(events: Events): Promise<void> {
  for (let sent = 0; sent < perRound; sent += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => events.publish(UserUpdated, data, attributes)))
  }
}

async function publishBare({ commands }: RedisTransports, stream: string): Promise<void> {
  for (let sent = 0; sent < perRound; sent += AT_ONCE) {
    const pipeline = commands.pipeline()
    for (let at = 0; at < AT_ONCE; at++) pipeline.xadd(stream, '*', ...fieldsOf())
    await pipeline.exec()
  }
}

async function consumeBare(url: string, stream: string): Promise<void> {
  const redis = createRedisClient(url, { name: 'bare', timeoutMs: 10_000 })
  await redis.connect()
  await redis.xgroup('CREATE', stream, 'bare', '0')
  for (let done = 0; done < perRound; ) {
    const reply = (await redis.xreadgroup(
      'GROUP',
      'bare',
      'me',
      'COUNT',
      READ_COUNT,
      'BLOCK',
      1000,
      'STREAMS',
      stream,
      '>',
    )) as [string, [string, string[]][]][] | null
    const ids = (reply?.[0]?.[1] ?? []).map(([id]) => id)
    if (ids.length > 0) await redis.xack(stream, 'bare', ...ids)
    done += ids.length
  }
  redis.disconnect()
}

async function consume(url: string, prefix: string, observer: object): Promise<number> {
  const { events, transports } = await openEvents(url, prefix, observer)
  let handled = 0
  let finished = () => {}
  const all = new Promise<void>((resolve) => {
    finished = resolve
  })
  const options = { name: 'noop', from: 'beginning', concurrency: 500 } as const
  events.subscribe(UserUpdated, options, () => {
    if (++handled === perRound) finished()
  })
  const rate = await timed(async () => {
    await events.start()
    await all
  })
  await events.close()
  await transports.close()
  return rate
}

/** Milliseconds from `publish` to its handler, one event at a time. */
async function latency(url: string, observer: object): Promise<readonly number[]> {
  const { events, transports } = await openEvents(url, 'latency', observer)
  const samples: number[] = []
  let publishedAt = 0
  let arrived = () => {}
  events.subscribe(UserUpdated, { name: 'latency' }, () => {
    samples.push(performance.now() - publishedAt)
    arrived()
  })
  await events.start()
  for (let at = 0; at < 1000; at++) {
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve
    })
    publishedAt = performance.now()
    await events.publish(UserUpdated, data, attributes)
    await arrival
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await events.close()
  await transports.close()
  return samples.toSorted((a, b) => a - b)
}

const binary = findRedisBinary()
if (!binary) throw new Error('redis-server is not on the PATH')
const server = await startRedis({ server: { binary } })
const observer = {
  ...eventContext(),
  ...eventMetrics({ registry: new Registry(), types: contracts.map(({ name }) => name) }),
}
const rates: Record<string, number[]> = {}
const note = (name: string, rate: number) => {
  rates[name] = [...(rates[name] ?? []), rate]
}
const { events, transports } = await openEvents(server.url, 'publish', observer)
const empty = () => transports.commands.flushdb()

say(`${perRound} events a round, ${rounds} rounds, ${JSON.stringify(data).length} B of data`)
const memoryBefore = process.memoryUsage.rss()
for (let round = 0; round < rounds; round++) {
  await empty()
  note('bare pipeline', await timed(() => publishBare(transports, 'bare')))
  await empty()
  note('publishMany', await timed(() => publishMany(events)))
  await empty()
  note('500 concurrent publish', await timed(() => publishAtOnce(events)))
  note('bare XREADGROUP + XACK', await timed(() => consumeBare(server.url, 'publish:{user}')))
  note('no-op handler', await consume(server.url, 'publish', observer))
}
const delays = await latency(server.url, observer)
const memoryAfter = process.memoryUsage.rss()

const against = {
  publishMany: 'bare pipeline',
  '500 concurrent publish': 'bare pipeline',
  'no-op handler': 'bare XREADGROUP + XACK',
}
for (const [name, values] of Object.entries(rates)) {
  const other = against[name as keyof typeof against]
  const share = other
    ? `  ${Math.round((median(values) / median(rates[other] ?? [])) * 100)} % of ${other}`
    : ''
  say(`${name.padEnd(24)} ${String(Math.round(median(values))).padStart(8)} /s${share}`)
}
const at = (share: number) => (delays[Math.floor(delays.length * share)] ?? 0).toFixed(2)
say(`idle latency             p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`)
say(
  `resident memory          ${Math.round(memoryBefore / 1e6)} MB before, ${Math.round(memoryAfter / 1e6)} MB after`,
)
await events.close()
await transports.close()
await server.stop()
process.exit(0)
