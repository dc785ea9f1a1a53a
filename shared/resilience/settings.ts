import { count } from '../settings.ts'

/** The settings of time limits and breakers, to be spread into a service's own. */
export const resilienceSettings = {
  requestTimeoutMs: count('longest a request may ask the database and other services, milliseconds', {
    default: 30_000,
    minimum: 1,
    maximum: 600_000,
  }),
  breakerFailures: count('failures in a row after which a dependency is not asked for a while', {
    default: 5,
    minimum: 1,
    maximum: 1_000,
  }),
  breakerOpenMs: count('that while, milliseconds; then one request tries', {
    default: 1_000,
    minimum: 10,
    maximum: 600_000,
  }),
}
