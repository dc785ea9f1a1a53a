export type { AsyncApiDocument } from '../events/async-api-document.ts'
export { type Auth, type AuthOptions, createAuth } from './auth.ts'
export {
  createHttpClient,
  type HttpClient,
  type HttpClientOptions,
  type HttpRequest,
} from './client/http-client.ts'
export { decodeCursor, encodeCursor } from './cursor.ts'
export { bearerAuth, docs } from './docs.ts'
export { type EventHealthOptions, eventHealth } from './event-health.ts'
export { type EventRoutesOptions, eventRoutes } from './events.ts'
export { type HealthOptions, healthRoutes } from './health.ts'
export type { HealthProbe, PartHealth } from './health-report.ts'
export {
  createIdempotency,
  type IdempotencyOptions,
  type IdempotencyStore,
  type StoredAnswer,
} from './idempotency.ts'
export { jsonBody } from './json-body.ts'
export { jwksRoutes } from './jwks.ts'
export { clientAddressOf, parseProxies } from './limits/client-address.ts'
export {
  createLimits,
  type LimitObserver,
  type Limits,
  type LimitsOptions,
  type RouteLimit,
} from './limits/limits.ts'
export { type LiveEventRoutesOptions, liveEventRoutes } from './live-events.ts'
export { type LogLevelRoutesOptions, logLevelRoutes } from './log-level.ts'
export { type LongLived, longLivedRoutes } from './long-lived.ts'
export { metricsRoutes } from './metrics.ts'
export { outboxHealth } from './outbox-health.ts'
export {
  type Problem,
  type ProblemDetails,
  problemErrors,
  SharedError,
  type SharedErrorCode,
  sharedProblems,
} from './problem-errors.ts'
export {
  currentRequest,
  type Gate,
  type Principal,
  type RequestContext,
  type RequestObserver,
  requestContext,
} from './request-context.ts'
export { addressBehindTls, type Listener, type ListenerOptions, listenWithTls } from './tls-listener.ts'
export { type WebGuard, webGuard } from './web-guard.ts'
export { type WebConfig, webProblems, webSettings } from './web-settings.ts'
