import { isFresh, originOf, refOf } from '../entry.ts'
import { millisecondsOf } from '../entry-id.ts'
import type { Outcome } from '../observer.ts'
import type { Entry } from '../transport.ts'
import { Acks } from './acks.ts'
import { type Delivery, deliveryOf, type Invocation } from './delivery.ts'
import type { DispatcherOptions } from './dispatcher-options.ts'
import { judgeBatch } from './failed-batch.ts'
import { DependencyGate } from './gate.ts'
import { HeldKeys } from './held-keys.ts'
import { type Failure, Invocations } from './invocations.ts'
import { Lanes } from './lanes.ts'
import { ReadAhead } from './read-ahead.ts'
import { Settlement } from './settlement.ts'
import { Signal } from './signal.ts'

const HANDLED: ReadonlySet<Outcome> = new Set(['done', 'duplicate', 'skipped'])

/** Takes the entries a member reads to their end: handled and acknowledged, or moved. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #lanes: Lanes
  readonly #gate: DependencyGate
  readonly #acks: Acks
  readonly #ahead: ReadAhead
  readonly #invocations: Invocations
  readonly #busy = new Map<string, Entry>()
  readonly #held: HeldKeys
  readonly #settlement: Settlement
  #stopping = false
  /** Notified whenever there may be room to read. */
  readonly room = new Signal()

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { subscription, member, observer, logger } = options
    const { name, batched, concurrency, maxBatch } = subscription
    this.#lanes = new Lanes(subscription.ordered, batched ? concurrency * maxBatch : concurrency)
    this.#ahead = new ReadAhead(batched ? concurrency * maxBatch : concurrency)
    this.#acks = new Acks(
      (entries) => member.ack(entries),
      (entries) => {
        for (const entry of entries) this.#busy.delete(refOf(entry))
        this.room.notify()
      },
    )
    this.#invocations = new Invocations({
      ...options,
      ended: (invocation, failure) => this.#ended(invocation, failure),
    })
    this.#held = new HeldKeys({
      ...options,
      stopped: () => this.#stopping,
      aside: (waiting) => {
        this.#lanes.running += waiting ? -1 : 1
      },
    })
    this.#gate = new DependencyGate({
      failuresInRow: subscription.pauseAfterFailures,
      firstPauseMs: subscription.pauseMs,
      isDependencyError: subscription.isDependencyError,
      probe: () => this.#pump(),
      changed: (closed) => {
        observer.paused?.(name, closed)
        logger.warn(
          { subscription: name },
          closed ? 'a dependency is down: pausing' : 'the dependency is back',
        )
      },
    })
    this.#settlement = new Settlement({
      ...options,
      gate: this.#gate,
      held: this.#held,
      stopped: () => this.#stopping,
      retryIn: (delayMs) => this.retryIn(delayMs),
      finish: (...settled) => this.#finish(...settled),
      postpone: (delivery, startedAtMs) => {
        this.#report(delivery, 'postponed', startedAtMs)
        this.#lanes.postpone(delivery)
      },
    })
  }

  /** Told when an event is to be tried again. */
  retryIn: (delayMs: number) => void = () => {}

  /** Refs of every entry held here, acknowledged or not yet. */
  get busy(): ReadonlyMap<string, Entry> {
    return this.#busy
  }

  get waitsForDependency(): boolean {
    return this.#gate.closed
  }

  /** Only what is delivered again may be read. */
  get blocked(): boolean {
    return this.#held.full
  }

  /** How many entries may be read now. */
  capacity(): number {
    if (this.#stopping) return 0
    if (this.#gate.closed) return this.#lanes.hasUntried() ? 0 : this.#ahead.roomForProbe(this.#busy.size)
    return this.#ahead.room(this.#lanes.queued, this.#busy.size)
  }

  /** Ordered groups, when this member begins to lead: the keys that wait for an earlier event. */
  leads(held: ReadonlySet<string>): void {
    this.#held.replace(held)
  }

  /** Ordered groups, when another member leads: what was not started is its. */
  follows(): void {
    for (const { ref } of this.#lanes.clear()) this.#busy.delete(ref)
  }

  accept(entries: readonly Entry[]): void {
    const { subscription, replay } = this.#options
    const now = this.#options.now()
    for (const entry of entries) {
      const delivery = deliveryOf(entry, subscription, { replay, now })
      if (this.#busy.has(delivery.ref)) continue
      this.#busy.set(delivery.ref, entry)
      if (delivery.decided === 'skip') this.#finish(delivery, 'skipped', now)
      else this.#lanes.add(delivery, !isFresh(entry) && this.#held.isHeld(delivery.key))
    }
    this.#pump()
  }

  /** Drops what another member has taken over; a handler that runs is told by its signal. */
  lost(refs: readonly string[]): void {
    for (const ref of refs) {
      this.#busy.delete(ref)
      this.#lanes.drop(ref)
      this.#invocations.abort(ref, new Error('another process has taken the event over'))
    }
  }

  /**
   * Hands back what was not started and waits for the rest.
   *
   * @returns the types still running at the deadline (milliseconds since 1970), their signals aborted.
   */
  async drain(deadlineMs: number): Promise<readonly string[]> {
    this.#stopping = true
    this.#gate.stop()
    const { member, logger, now } = this.#options
    const rest = this.#lanes.clear()
    for (const { ref } of rest) this.#busy.delete(ref)
    await member
      .handBack(rest.map(({ entry }) => entry))
      .catch((error: unknown) => logger.warn({ err: error }, 'events could not be handed back'))
    while ((this.#lanes.running > 0 || this.#acks.pending > 0) && now() < deadlineMs) {
      await this.#acks.flush()
      if (this.#lanes.running > 0 || this.#acks.pending > 0)
        await this.room.wait(Math.min(50, deadlineMs - now()))
    }
    this.#acks.stop()
    return this.#invocations.abandon(new Error('the process is shutting down'))
  }

  #pump(): void {
    const { batched, concurrency, maxBatch } = this.#options.subscription
    if (!this.#options.member.leading) return
    while (!this.#stopping && this.#gate.admits(this.#lanes.running)) {
      if (batched && this.#invocations.count >= concurrency) return
      const first = this.#lanes.take(this.#gate.closed)
      if (!first) return
      const probe = this.#gate.closed
      this.#gate.started()
      if (!this.#needsPreparation(first)) {
        const deliveries = batched && !probe ? this.#lanes.takeMore(first, maxBatch) : [first]
        this.#invocations.start(deliveries)
      } else void this.#prepare(first)
    }
  }

  #needsPreparation(delivery: Delivery): boolean {
    return delivery.decided !== undefined || delivery.entry.suspect || this.#held.stops(delivery)
  }

  async #prepare(delivery: Delivery): Promise<void> {
    const { member, now } = this.#options
    const { entry, decided } = delivery
    if (this.#held.stops(delivery) && !(await this.#held.passes(delivery))) {
      return this.#finish(delivery, 'postponed', now())
    }
    if (decided && decided !== 'skip') {
      return this.#settlement.move(delivery, decided, now())
    }
    if (entry.suspect && !(await this.#settlement.surely(() => member.begin(entry), false))) {
      return this.#finish(delivery, 'lost', now())
    }
    this.#invocations.start([delivery])
  }

  #ended(invocation: Invocation, failure: Failure | undefined): void {
    const { deliveries, startedAtMs } = invocation
    this.#ahead.took(this.#options.now() - startedAtMs)
    if (failure) this.#failed(deliveries, failure, startedAtMs)
    else for (const delivery of deliveries) this.#settlement.settle(delivery, undefined, startedAtMs)
    this.#pump()
  }

  #failed(deliveries: readonly Delivery[], { error }: Failure, startedAtMs: number): void {
    const { transactional } = this.#options.subscription
    const isDependency = (reason: unknown) => this.#gate.isDependency(reason)
    const { decided, again } = judgeBatch(deliveries, error, { transactional, isDependency })
    for (const { delivery, failure } of decided) this.#settlement.settle(delivery, failure, startedAtMs)
    for (const batch of again) this.#invocations.start(batch)
  }

  #finish(delivery: Delivery, outcome: Outcome, startedAtMs: number, acknowledge = true): void {
    const { entry, ref } = delivery
    if (acknowledge && HANDLED.has(outcome)) this.#acks.add(entry)
    else this.#busy.delete(ref)
    this.#report(delivery, outcome, startedAtMs)
    if (outcome === 'skipped') return
    this.#lanes.done(delivery)
    this.#gate.undecided()
    this.room.notify()
    this.#pump()
  }

  #report({ entry, received }: Delivery, outcome: Outcome, startedAtMs: number): void {
    const { observer, subscription, now, replay } = this.#options
    if (!observer.consumed) return
    const at = now()
    observer.consumed({
      subscription: subscription.name,
      type: received?.event.type ?? entry.fields.type ?? '',
      outcome,
      replay,
      durationMs: at - startedAtMs,
      latencyMs: at - millisecondsOf(originOf(entry)),
    })
  }
}
