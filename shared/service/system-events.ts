import { hostname } from 'node:os'
import { currentWork } from '../context.ts'
import { AppError } from '../errors.ts'
import { HealthChecked, SystemError } from '../events/contracts/system.ts'
import type { BroadcastContract, PublishData } from '../events/event.ts'
import type { Events } from '../events/events.ts'
import type { EventLogger } from '../events/observer.ts'
import type { HealthOptions } from '../http/health.ts'
import { examineHealth } from '../http/health-report.ts'
import { repeat } from '../repeat.ts'

type Status = PublishData<typeof HealthChecked>['status']

/** What a process tells of itself to whoever watches. None of it fails or delays what it tells of. */
export interface SystemEvents {
  /**
   * Publishes `system.error` for a request that was answered 500 or above: its code and what the caller was told, never
   * the message or the stack of an unexpected error, which may carry what was submitted. What the event server
   * caused is not told: telling it would fail as well.
   */
  readonly failed: (error: unknown, code: string) => void
  /**
   * Publishes `system.health_check` at once and whenever it has changed: `healthy`, `degraded` with an optional part
   * down, `unhealthy` when it may not get traffic.
   *
   * @returns what ends it: the last one told is `unhealthy`.
   */
  readonly watchHealth: (
    health: Pick<HealthOptions, 'required' | 'optional' | 'phase'>,
  ) => () => Promise<void>
}

export interface SystemEventsOptions {
  readonly events: Pick<Events, 'service' | 'publish'>
  readonly logger: EventLogger
  /** Tells processes of one service apart. Default: the machine's name and the process id. */
  readonly instance?: string
  /** Default 5,000. */
  readonly lookEveryMs?: number
  readonly now?: () => number
}

export function createSystemEvents({
  events,
  logger,
  instance = `${hostname()}:${process.pid}`,
  lookEveryMs = 5000,
  now = Date.now,
}: SystemEventsOptions): SystemEvents {
  const { service } = events
  const time = () => new Date(now()).toISOString()

  async function tell<C extends BroadcastContract>(contract: C, data: PublishData<C>): Promise<boolean> {
    try {
      await events.publish(contract, data)
      return true
    } catch (error) {
      logger.debug({ err: error, event_type: contract.name }, 'nobody could be told')
      return false
    }
  }

  return {
    failed(error, code) {
      if (code.startsWith('EVENT')) return
      const correlationId = currentWork()?.correlationId
      void tell(SystemError, {
        service,
        code,
        message: error instanceof AppError ? error.message.slice(0, 1000) : 'An unexpected error happened',
        ...(correlationId !== undefined && { correlation_id: correlationId }),
        occurred_at: time(),
      })
    },
    watchHealth(health) {
      let told: Status | undefined
      const tellStatus = async (status: Status) => {
        if (status === told) return
        if (await tell(HealthChecked, { service, instance, status, checked_at: time() })) told = status
      }
      const stop = repeat(async () => tellStatus(await statusOf(health)), {
        everyMs: lookEveryMs,
        failed: (error) => logger.warn({ err: error }, 'the health could not be told'),
      })
      return async () => {
        await stop()
        await tellStatus('unhealthy')
      }
    },
  }
}

async function statusOf({
  phase,
  ...parts
}: Pick<HealthOptions, 'required' | 'optional' | 'phase'>): Promise<Status> {
  const { healthy, degraded } = await examineHealth(parts)
  if (phase() !== 'ready' || !healthy) return 'unhealthy'
  return degraded ? 'degraded' : 'healthy'
}
