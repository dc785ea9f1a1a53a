import { Elysia } from 'elysia'
import type { RedisClient } from '../../redis.ts'
import { repeat } from '../../repeat.ts'
import { currentRequest, type Gate, type RequestContext } from '../request-context.ts'
import { createAdmission, type ShedReason } from './admission.ts'
import { ExactCounter } from './exact-counter.ts'
import { clientNetwork } from './ip-address.ts'
import { JoinedCounter } from './joined-counter.ts'
import { LimitServer, type LimitServerOptions } from './limit-server.ts'
import { createLoginLimit, type LoginLimit } from './login-limit.ts'
import type { Standing } from './quota.ts'
import { rateLimited, tellStanding } from './rate-limit-headers.ts'

/** Where metrics attach. Must not throw. */
export interface LimitObserver {
  readonly rejected: (policy: string) => void
  readonly shed: (reason: ShedReason) => void
  /** How to ask for the number of requests that are served at the moment. */
  readonly active: (count: () => number) => void
}

export interface LimitsOptions {
  /** Off, no rate is limited, logins included; the limit on requests in flight stays. */
  readonly rateLimitEnabled: boolean
  /** Requests a minute from one address. */
  readonly rateLimitAddress: number
  /** Requests a minute of one user. */
  readonly rateLimitUser: number
  /** Wrong passwords for one account from one address before it has to wait. */
  readonly rateLimitLogin: number
  readonly maxConcurrentRequests: number
  /** 0: requests are never shed for it. */
  readonly shedLagMs: number
  /** Begins the keys in Redis: services that share it must not share their counts. */
  readonly serviceName: string
  /** At least 32 bytes; hides accounts in those keys. */
  readonly secret: string
  readonly redis?: RedisClient | undefined
  readonly logger?: LimitServerOptions['logger']
  readonly observer?: LimitObserver
}

/** What a route allows each client. */
export interface RouteLimit {
  /** Names it in headers, metrics and keys; never changed. */
  readonly policy: string
  readonly points: number
  readonly perSeconds: number
}

export interface Limits {
  /** For `requestContext`: everything of a request that is decided before it is served. */
  readonly gate: Gate
  /** Counts each request of somebody who is logged in. Mount it before the modules. */
  readonly perUser: ReturnType<typeof userLimit>
  /**
   * A limit of a route's own, exact over all replicas, for each user, or for each address where nobody is logged in; goes
   * into the route's `beforeHandle`.
   *
   * @throws {SharedError} `RATE_LIMITED`
   */
  readonly limit: (rule: RouteLimit) => () => Promise<void>
  readonly logins: LoginLimit
  readonly close: () => Promise<void>
}

const minute = 60
/** How long a replica may not know what others have admitted. */
const joinEveryMs = 100

/**
 * The front door: how many requests are served at once, how many each address and each user may send, and how many
 * passwords may be guessed.
 *
 * Every request of an address and of a user is counted at once in this process, and joined with the other replicas'
 * every 100 ms: see `JoinedCounter` for what that allows. Logins and the limits of routes ask Redis each time. Without Redis
 * each process counts alone. Health and metrics are never limited.
 */
export function createLimits(options: LimitsOptions): Limits {
  const { rateLimitEnabled: enabled, serviceName, redis, secret, logger, observer } = options
  const server = new LimitServer({ redis, prefix: `limits:${serviceName}`, logger })
  const perMinute = (policy: string, points: number) =>
    new JoinedCounter({ policy, points, seconds: minute }, { server })
  const addresses = perMinute('address', options.rateLimitAddress)
  const users = perMinute('user', options.rateLimitUser)
  const rejected = observer?.rejected ?? (() => {})

  const judge = (context: RequestContext, standing: Standing) => {
    tellStanding(context, standing)
    if (standing.used <= standing.quota.points) return undefined
    rejected(standing.quota.policy)
    return rateLimited(standing)
  }
  const admission = createAdmission({
    maxConcurrent: options.maxConcurrentRequests,
    shedLagMs: options.shedLagMs,
    shed: observer?.shed ?? (() => {}),
    refuse: (context) => (enabled ? judge(context, addresses.take(addressKey(context))) : undefined),
  })
  observer?.active(admission.active)
  const join = async () => {
    await Promise.all([addresses.join(), users.join()])
  }
  const stopJoining =
    enabled && redis ? repeat(join, { everyMs: joinEveryMs, failed: () => {} }) : async () => {}

  return {
    gate: admission.gate,
    perUser: userLimit((context, userId) => {
      const refusal = enabled ? judge(context, users.take(String(userId))) : undefined
      if (refusal) throw refusal
    }),
    limit({ policy, points, perSeconds }) {
      const counter = new ExactCounter({ policy, points, seconds: perSeconds }, { server })
      return async () => {
        const context = currentRequest()
        if (!enabled || !context) return
        const { principal } = context
        const key = principal ? `user:${principal.userId}` : addressKey(context)
        const refusal = judge(context, await counter.take(key))
        if (refusal) throw refusal
      }
    },
    logins: enabled
      ? createLoginLimit({ server, points: options.rateLimitLogin, secret, rejected })
      : { attempt: (_, logIn) => logIn() },
    async close() {
      admission.close()
      await stopJoining()
    },
  }
}

function userLimit(take: (context: RequestContext, userId: number) => void) {
  return new Elysia({ name: 'user-limit', seed: take }).onBeforeHandle({ as: 'global' }, () => {
    const context = currentRequest()
    if (context?.principal) take(context, context.principal.userId)
  })
}

/** An address that the runtime does not know is one for all. */
function addressKey(context: RequestContext): string {
  return clientNetwork(context.address() ?? 'unknown')
}
