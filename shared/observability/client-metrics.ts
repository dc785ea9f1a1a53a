import { Counter, type Registry } from 'prom-client'
import type { QueryObserver } from '../postgres/query-observer.ts'
import type { RedisObserver } from '../redis-commands.ts'
import { DurationHistogram } from './duration-histogram.ts'

/** Seconds; OpenTelemetry's advice for database durations. */
const bounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

export interface ClientMetrics {
  readonly query: QueryObserver
  readonly redis: RedisObserver
}

/**
 * How long PostgreSQL and Redis take, by operation, how long statements wait for a connection, and how often Redis is
 * lost.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
 */
export function clientMetrics(registry: Registry): ClientMetrics {
  const registers = [registry]
  const durations = new DurationHistogram({
    name: 'db_client_operation_duration_seconds',
    help: 'Duration of statements and of Redis commands, by operation; error_type is empty for those that succeeded',
    labelNames: ['db_system_name', 'db_operation_name', 'error_type'],
    buckets: bounds,
    registers,
  })
  const waits = new DurationHistogram({
    name: 'db_client_connection_wait_time_seconds',
    help: 'How long statements waited for a connection of the pool',
    labelNames: [],
    buckets: bounds,
    registers,
  })
  const reconnects = new Counter({
    name: 'redis_reconnects_total',
    help: 'Attempts to connect to Redis again, by what the connection is for',
    labelNames: ['connection'],
    registers,
  })
  return {
    query({ statement: { operation }, startedAtMs, endedAtMs, waitedMs, error }) {
      durations.record((endedAtMs - startedAtMs) / 1000, ['postgresql', operation, kindOf(error)])
      if (waitedMs > 0) waits.record(waitedMs / 1000, [])
    },
    redis: {
      command({ name, startedAtMs, endedAtMs, error, blocking }) {
        if (!blocking) durations.record((endedAtMs - startedAtMs) / 1000, ['redis', name, kindOf(error)])
      },
      reconnecting: (connection) => reconnects.inc({ connection }),
    },
  }
}

/** Few enough to be a label: the class of an error, of a statement's own failure the class of its SQLSTATE. */
function kindOf(error: unknown): string {
  if (error === undefined) return ''
  if (!(error instanceof Error)) return '_OTHER'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (/^[\dA-Z]{5}$/.test(code)) return code.slice(0, 2)
  return /^[A-Z_]{1,40}$/.test(code) ? code : error.name
}
