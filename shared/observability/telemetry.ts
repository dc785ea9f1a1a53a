import { Counter, type Registry } from 'prom-client'
import type { EventObserver } from '../events/observer.ts'
import type { RequestObserver } from '../http/request-context.ts'
import type { QueryObserver } from '../postgres/query-observer.ts'
import type { RedisObserver } from '../redis-commands.ts'
import { ConfigurationError, type Environment } from '../settings.ts'
import type { Sampler } from '../trace-context.ts'
import { clientMetrics } from './client-metrics.ts'
import { eventContext } from './event-context.ts'
import type { Logger } from './logger.ts'
import { queryLog, slowRequests } from './slowness.ts'
import { type Fetch, tracedFetch } from './traced-fetch.ts'
import { readTracingSettings } from './tracing/settings.ts'
import type { SpanCounts } from './tracing/span-queue.ts'
import type { Tracing } from './tracing/tracing.ts'

export interface TelemetryOptions {
  /** `service.name` of the spans, unless `OTEL_SERVICE_NAME` says another. */
  readonly serviceName: string
  readonly version: string
  /** From here on a statement is worth a warning, milliseconds; 0 warns of none. */
  readonly slowQueryMs: number
  /** From here on a request is worth a warning, milliseconds; 0 warns of none. */
  readonly slowRequestMs: number
  readonly logger: Logger
  readonly registry: Registry
}

/** What each part of the service tells, and whom: spans, metrics and warnings. */
export interface Telemetry {
  /** Which requests are traced; undefined where nothing is recorded. */
  readonly sampler: Sampler | undefined
  readonly requests: readonly RequestObserver[]
  readonly queries: QueryObserver
  readonly redis: RedisObserver
  readonly events: Pick<EventObserver, 'context' | 'publishing' | 'handling'>
  /** `fetch` for other services of one's own. */
  readonly fetch: Fetch
  /** The same on another `fetch` than the global one. */
  readonly tracedFetch: (fetch?: Fetch) => Fetch
  /** Wraps what a relay sends. */
  readonly relaying: Tracing['relaying']
  /** Sends the spans that wait, as long as that takes no more than a few seconds. */
  readonly close: () => Promise<void>
}

/**
 * Opens tracing as the standard `OTEL_*` variables say, and joins to it the metrics and warnings of databases.
 *
 * Without an endpoint nothing is recorded and OpenTelemetry is not even loaded; ids are made and handed on all the same.
 *
 * @throws {ConfigurationError} with every wrong variable.
 */
export async function openTelemetry(env: Environment, options: TelemetryOptions): Promise<Telemetry> {
  const { settings, problems } = readTracingSettings(env)
  if (problems.length > 0) throw new ConfigurationError(problems)
  const { slowQueryMs, slowRequestMs, logger, registry } = options
  const metrics = clientMetrics(registry)
  const tracing =
    settings.endpoint === undefined
      ? undefined
      : await openTracing({ ...settings, endpoint: settings.endpoint }, options)
  if (tracing) spanMetrics(registry, tracing.counts)

  const queries: readonly QueryObserver[] = [
    metrics.query,
    ...(tracing ? [tracing.query] : []),
    queryLog(logger, slowQueryMs),
  ]
  const traced = (fetch?: Fetch): Fetch =>
    tracedFetch({ sampler: tracing?.sampler, ended: tracing?.fetched, ...(fetch && { fetch }) })
  return {
    sampler: tracing?.sampler,
    requests: [
      ...(tracing ? [tracing.request] : []),
      ...(slowRequestMs > 0 ? [slowRequests(logger, slowRequestMs)] : []),
    ],
    queries: (query) => {
      for (const observe of queries) observe(query)
    },
    redis: {
      command(ended) {
        metrics.redis.command(ended)
        tracing?.command(ended)
      },
      reconnecting: metrics.redis.reconnecting,
    },
    events: eventContext({ sampler: tracing?.sampler, spans: tracing?.events }),
    fetch: traced(),
    tracedFetch: traced,
    relaying: tracing?.relaying ?? ((_, run) => run()),
    close: async () => tracing?.close(),
  }
}

/** OpenTelemetry is loaded only here: a service that records nothing starts without it. */
async function openTracing(
  ...given: Parameters<typeof import('./tracing/tracing.ts')['openTracing']>
): Promise<Tracing> {
  const { openTracing: open } = await import('./tracing/tracing.ts')
  return open(...given)
}

function spanMetrics(registry: Registry, counts: Readonly<SpanCounts>): void {
  new Counter({
    name: 'otel_sdk_exporter_span_exported_total',
    help: 'Spans that were recorded, by what became of them; error_type is empty for those the collector took',
    labelNames: ['error_type'],
    registers: [registry],
    collect() {
      this.reset()
      this.inc({ error_type: '' }, counts.exported)
      this.inc({ error_type: 'queue_full' }, counts.overflowed)
      this.inc({ error_type: 'rejected' }, counts.failed)
    },
  })
}
