import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Registry } from 'prom-client'
import type { RequestObserver } from '../http/request-context.ts'
import { DurationHistogram } from './duration-histogram.ts'
import { methodName } from './method-name.ts'

export interface Metrics {
  readonly registry: Registry
  /** Counts and times each request by method, route and status. */
  readonly observeRequest: RequestObserver
  /** Stops what measures in the background. */
  readonly close: () => void
}

/**
 * A registry with what is true on every runtime: requests, process, event loop, build. The rest of prom-client's
 * default metrics is constant or wrong on Bun.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
 */
export function createMetrics({ service, version }: { service: string; version: string }): Metrics {
  const registry = new Registry()
  const requests = new DurationHistogram({
    name: 'http_server_request_duration_seconds',
    help: 'Duration of HTTP requests, by method, route and status',
    labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
    registers: [registry],
  })
  const eventLoop = processMetrics(registry)
  new Gauge({
    name: 'build_info',
    help: 'Always 1; which service and version this is',
    labelNames: ['service', 'version'],
    registers: [registry],
  }).set({ service, version }, 1)

  return {
    registry,
    observeRequest({ request, route, trace }, status, durationMs) {
      const exemplar = trace?.sampled ? trace : undefined
      requests.record(durationMs / 1000, [methodName(request.method), route ?? '', status], exemplar)
    },
    close: () => eventLoop.disable(),
  }
}

function processMetrics(registry: Registry) {
  const registers = [registry]
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory size',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Start time of the process, seconds since the epoch',
    registers,
  }).set(Math.round(performance.timeOrigin / 1000))
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time used, user and system',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
  new Gauge({
    name: 'process_event_loop_delay_seconds',
    help: 'Delay of the event loop since the last scrape, by quantile',
    labelNames: ['quantile'],
    registers,
    collect() {
      for (const quantile of [0.5, 0.99]) this.set({ quantile }, delay.percentile(quantile * 100) / 1e9)
      delay.reset()
    },
  })
  return delay
}
