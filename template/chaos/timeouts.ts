/** The time-outs that decide how soon a fault is noticed, in milliseconds. */
export interface Timeouts {
  /** `SERVICE_EVENTS_KEEP_ALIVE_MS`, and the consumer's: after three times this, what a process held is claimed. */
  readonly keepAliveMs: number
  /** How long an ordered subscription waits for a leader that vanished. */
  readonly leaseMs: number
  /** The longest wait of one read. */
  readonly blockMs: number
  /** `SERVICE_REDIS_TIMEOUT_MS`, and the consumer's. */
  readonly redisTimeoutMs: number
  /** `SERVICE_DRAIN_DELAY_MS` */
  readonly drainDelayMs: number
  /** `SERVICE_SHUTDOWN_TIMEOUT_MS` */
  readonly shutdownTimeoutMs: number
}

export const production: Timeouts = {
  keepAliveMs: 20_000,
  leaseMs: 15_000,
  blockMs: 2000,
  redisTimeoutMs: 2000,
  drainDelayMs: 1000,
  shutdownTimeoutMs: 15_000,
}

/** So that a run takes minutes and each time-out still runs out many times. */
export const shortened: Timeouts = {
  keepAliveMs: 1000,
  leaseMs: 3000,
  blockMs: 500,
  redisTimeoutMs: 1000,
  drainDelayMs: 100,
  shutdownTimeoutMs: 8000,
}
