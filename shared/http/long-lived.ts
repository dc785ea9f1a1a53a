import type { Live } from '../events/live/live.ts'
import type { EventOperations } from '../events/operations.ts'
import type { LogLevelControl } from '../observability/log-level.ts'
import type { Auth } from './auth.ts'
import { eventRoutes } from './events.ts'
import { liveEventRoutes } from './live-events.ts'
import { logLevelRoutes } from './log-level.ts'

/** What only a process that lives on can offer. */
export interface LongLived {
  readonly eventOperations: EventOperations
  readonly live: Live
  readonly logLevel: LogLevelControl
}

export interface LongLivedRoutesOptions<Role extends string> extends LongLived {
  readonly auth: Auth<Role>
  /** Who may look after events and the process. */
  readonly operators: readonly Role[]
}

/** The routes that ask for a process that lives on: `/api/events`, `/api/events/live` and `/api/operations`. */
export function longLivedRoutes<Role extends string>(options: LongLivedRoutesOptions<Role>) {
  const { auth, operators, eventOperations, live, logLevel } = options
  return [
    eventRoutes({ auth, operators, operations: eventOperations }),
    liveEventRoutes({ auth, live }),
    logLevelRoutes({ auth, operators, logLevel }),
  ]
}
