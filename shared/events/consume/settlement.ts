import { isFresh, originOf } from '../entry.ts'
import { PermanentError } from '../errors.ts'
import type { EventLogger, Outcome } from '../observer.ts'
import type { GroupMember, Move } from '../transport.ts'
import type { Delivery } from './delivery.ts'
import { fateOf, outcomeOf } from './fate.ts'
import type { DependencyGate } from './gate.ts'
import type { HeldKeys } from './held-keys.ts'
import type { Failure } from './invocations.ts'
import { persist } from './persist.ts'
import type { Subscription } from './subscription.ts'

export interface SettlementOptions {
  readonly subscription: Subscription
  readonly member: GroupMember
  readonly gate: DependencyGate
  readonly held: HeldKeys
  readonly logger: EventLogger
  readonly now: () => number
  readonly random: () => number
  readonly stopped: () => boolean
  /** Told when an event is to be tried again. */
  readonly retryIn: (delayMs: number) => void
  /** The delivery is over here; `acknowledge` is false when the server has been told already. */
  readonly finish: (delivery: Delivery, outcome: Outcome, startedAtMs: number, acknowledge?: boolean) => void
  /** The delivery stays ours and is started again later. */
  readonly postpone: (delivery: Delivery, startedAtMs: number) => void
}

/** What becomes of a delivery once its handler has ended. */
export class Settlement {
  readonly #options: SettlementOptions

  constructor(options: SettlementOptions) {
    this.#options = options
  }

  settle(delivery: Delivery, failure: Failure | undefined, startedAtMs: number): void {
    const { subscription, gate, now, random, stopped, postpone } = this.#options
    const { entry } = delivery
    if (!failure) {
      gate.succeeded()
      if (subscription.ordered && !isFresh(entry)) void this.#release(delivery, startedAtMs)
      else if (entry.suspect) void this.#acknowledgeNow(delivery, startedAtMs)
      else this.#options.finish(delivery, successOf(delivery), startedAtMs)
      return
    }
    const { error } = failure
    if (!(error instanceof PermanentError) && gate.failed(originOf(entry), error)) {
      delivery.probed = true
      if (stopped()) void this.#giveBack(delivery)
      else postpone(delivery, startedAtMs)
      return
    }
    const { attempt = entry.deliveries } = delivery.received?.event ?? {}
    const fate = fateOf({ attempt, key: delivery.key }, error, subscription, { now: now(), random })
    void this.move(delivery, fate, startedAtMs)
  }

  async #giveBack(delivery: Delivery): Promise<void> {
    const { member } = this.#options
    await this.surely(() => member.handBack([delivery.entry]), undefined)
    this.#options.finish(delivery, 'postponed', this.#options.now())
  }

  /** Moves an entry, and lets its key wait or go on. */
  async move(delivery: Delivery, move: Move, startedAtMs: number): Promise<void> {
    const { member, subscription, logger } = this.#options
    const outcome = await this.surely(() => member.move(delivery.entry, move), 'lost')
    // Also when lost: it may be this very move, repeated because its first reply did not arrive. A free key costs one question.
    if (move.key !== undefined && move.keyThen === 'hold') this.#options.held.hold(move.key)
    if (outcome === 'moved' && move.delayMs !== undefined) this.#options.retryIn(move.delayMs)
    if (move.to === 'dead' && outcome === 'moved') {
      const { notes } = move
      const about = { subscription: subscription.name, entry: originOf(delivery.entry), ...notes }
      logger.error(about, 'an event went to the dead letters')
    }
    this.#options.finish(delivery, outcomeOf(move, outcome), startedAtMs)
  }

  /** Acknowledges the head of a key; the key goes on once nothing waits behind it. */
  async #release(delivery: Delivery, startedAtMs: number): Promise<void> {
    await this.#options.held.release(delivery.entry, delivery.key)
    this.#options.finish(delivery, successOf(delivery), startedAtMs, false)
  }

  /** A suspect is off the books before the next one starts. */
  async #acknowledgeNow(delivery: Delivery, startedAtMs: number): Promise<void> {
    await this.surely(() => this.#options.member.ack([delivery.entry]), undefined)
    this.#options.finish(delivery, successOf(delivery), startedAtMs, false)
  }

  /** Repeats what the server must hear until it has, or until the process stops. */
  surely<T>(act: () => Promise<T>, otherwise: T): Promise<T> {
    return persist(act, { otherwise, stopped: this.#options.stopped, logger: this.#options.logger })
  }
}

function successOf({ duplicate }: Delivery): Outcome {
  return duplicate ? 'duplicate' : 'done'
}
