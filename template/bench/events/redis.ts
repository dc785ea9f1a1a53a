import { randomBytes } from 'node:crypto'
import { createEvents, type EventObserver, redisTransports } from '@kiln/shared'
import { Redis } from 'ioredis'
import { Counter, Histogram, Registry } from 'prom-client'
import { findRedisBinary, startRedis } from '../../../scripts/embedded/redis.ts'

export type BenchRedis = Awaited<ReturnType<typeof startBenchRedis>>

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A private Redis, with a bare client and the library side by side. @throws where there is no program to run. */
export async function startBenchRedis() {
  const binary = findRedisBinary()
  if (binary === undefined)
    throw new Error('A redis-server or valkey-server (7 or newer) is needed on the PATH.')
  const server = await startRedis({ server: { binary } })
  const connect = (_: string, options: object) => new Redis(server.url, options)
  const bare = new Redis(server.url)
  const observer = countingObserver()

  return {
    bare,
    newKey: () => `bare-${randomBytes(4).toString('hex')}`,
    /** One process of a service; `prefix` makes it share another's events. */
    async openLibrary(prefix = `bench-${randomBytes(4).toString('hex')}`) {
      const transports = await redisTransports({
        connect,
        logger: silent,
        consumer: randomBytes(4).toString('hex'),
        prefix,
        overflow: 'trim',
      })
      const events = createEvents({ service: 'bench', transports, logger: silent, observer })
      return {
        prefix,
        events,
        async close() {
          await events.close(1000)
          await transports.close()
        },
        async dropKeys() {
          for (const key of await bare.keys(`${prefix}*`)) await bare.unlink(key)
        },
      }
    },
    async stop() {
      bare.disconnect()
      await server.stop()
    },
  }
}

/** Metrics as a service has them. */
function countingObserver(): EventObserver {
  const registers = [new Registry()]
  const published = new Counter({ name: 'published_total', help: 'events', labelNames: ['type'], registers })
  const consumed = new Counter({
    name: 'consumed_total',
    help: 'events',
    labelNames: ['type', 'outcome'],
    registers,
  })
  const duration = new Histogram({
    name: 'handler_seconds',
    help: 'seconds',
    labelNames: ['type'],
    registers,
  })
  return {
    published: (type, count) => published.inc({ type }, count),
    consumed({ type, outcome, durationMs }) {
      consumed.inc({ type, outcome })
      duration.observe({ type }, durationMs / 1000)
    },
  }
}
