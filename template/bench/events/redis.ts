import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createEvents, type EventObserver, redisTransports } from '@kiln/shared'
import { findRedisBinary, startRedis } from '@kiln/shared/embedded'
import { createLogger, eventMetrics, openTelemetry, type Telemetry } from '@kiln/shared/observability'
import { eventConnector } from '@kiln/shared/redis'
import { Redis } from 'ioredis'
import { Registry } from 'prom-client'
import { Placed } from './orders.ts'

export type BenchRedis = Awaited<ReturnType<typeof startBenchRedis>>

const { logger: silent } = createLogger({ service: 'bench', level: 'silent', format: 'json' })

/** A private Redis, with a bare client and the library side by side. @throws where there is no program to run. */
export async function startBenchRedis() {
  const binary = findRedisBinary()
  if (binary === undefined)
    throw new Error('A redis-server or valkey-server (7 or newer) is needed on the PATH.')
  const server = await startRedis({ server: { binary } })
  const collector = await startCollector()
  const { observer, redis, close: flush } = await observing(collector.url)
  const connect = eventConnector(server.url, { name: 'bench', timeoutMs: 5000, observer: redis })
  const bare = new Redis(server.url)

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
      await flush()
      collector.stop()
      await server.stop()
    },
  }
}

/** Metrics and spans as a service has them, one trace in ten recorded. */
async function observing(collectorUrl: string): Promise<Telemetry & { readonly observer: EventObserver }> {
  const registry = new Registry()
  const sampling = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.1',
  }
  const about = { serviceName: 'bench', version: '1', slowQueryMs: 0, slowRequestMs: 0 }
  const telemetry = await openTelemetry(sampling, { ...about, logger: silent, registry })
  return {
    ...telemetry,
    observer: { ...telemetry.events, ...eventMetrics({ registry, types: [Placed.name] }) },
  }
}

/** Takes spans and forgets them, in a process of its own. */
async function startCollector(): Promise<{ readonly url: string; readonly stop: () => void }> {
  const program = fileURLToPath(new URL('../servers/collector.js', import.meta.url))
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [url] = (await once(child.stdout, 'data')) as [Buffer]
  return { url: String(url).trim(), stop: () => child.kill() }
}
