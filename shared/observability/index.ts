export { eventContext } from './event-context.ts'
export { type EventMetricsOptions, eventMetrics } from './event-metrics.ts'
export { limitMetrics } from './limit-metrics.ts'
export { type LogLevelControl, logLevels } from './log-level.ts'
export { createLogger, type Logger, type LoggerOptions, type Logging } from './logger.ts'
export { createMetrics, type Metrics } from './metrics.ts'

export { exposeMetrics } from './open-metrics.ts'

export { type OutboxMetricsOptions, outboxMetrics } from './outbox-metrics.ts'

export { type SubscriptionMetricsOptions, subscriptionMetrics } from './subscription-metrics.ts'
export { openTelemetry, type Telemetry, type TelemetryOptions } from './telemetry.ts'
export { readTracingSettings, type TracingSettings } from './tracing/settings.ts'
