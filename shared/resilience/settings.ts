import { Type } from '@sinclair/typebox'

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

function count(description: string, limits: { default: number; minimum: number; maximum: number }) {
  const expected = `must be an integer from ${limits.minimum} to ${limits.maximum}`
  return Type.Integer({ ...limits, description, expected })
}
