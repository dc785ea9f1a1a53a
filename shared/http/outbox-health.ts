import type { OutboxStatus } from '../postgres/outbox/status.ts'
import type { HealthProbe } from './health-report.ts'

/** The outbox for `/health`: how many events wait to be sent, how long the oldest has waited, how many cannot be read. */
export function outboxHealth(status: () => Promise<OutboxStatus>): HealthProbe {
  return async () => {
    const { depth, parked, oldestAgeMs } = await status()
    return { status: 'up', depth, parked, oldest_age_ms: oldestAgeMs }
  }
}
