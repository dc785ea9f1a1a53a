import { Type } from '@sinclair/typebox'
import { count } from '../settings.ts'

/** The settings of the front door, to be spread into a service's own. */
export const limitSettings = {
  rateLimitEnabled: Type.Boolean({
    default: true,
    description:
      'limits how often clients may call, and passwords be guessed; false where something in front does',
    expected: 'must be true or false',
  }),
  rateLimitAddress: requests('requests a minute from one IPv4 address, or one /64 of IPv6', {
    default: 6_000,
  }),
  rateLimitUser: requests('requests a minute of one user', { default: 1_200 }),
  rateLimitLogin: requests('wrong passwords for one account from one address, before waits begin', {
    default: 5,
  }),
  trustedProxies: Type.Optional(
    Type.String({
      description:
        'proxies whose X-Forwarded-For is believed, 10.0.0.0/8,fd00::/8; unset: none, a client is whoever connects',
      expected: 'must look like 10.0.0.0/8,fd00::/8, addresses or networks',
    }),
  ),
  maxConcurrentRequests: requests('requests that a process serves at once; beyond, it answers 503', {
    default: 1_000,
  }),
  shedLagMs: Type.Integer({
    minimum: 0,
    maximum: 60_000,
    default: 0,
    description: 'answers 503 while the event loop stays later than this, milliseconds; 0: never',
    expected: 'must be an integer from 0 to 60000',
  }),
}

function requests(description: string, { default: defaultCount }: { default: number }) {
  return count(description, { default: defaultCount, minimum: 1, maximum: 1_000_000_000 })
}
