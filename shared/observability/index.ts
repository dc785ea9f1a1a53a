export { createLogger, type Logger, type LoggerOptions, type Logging } from './logger.ts'
export { createMetrics, type Metrics } from './metrics.ts'
