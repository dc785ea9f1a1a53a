import { millisecondsOf } from '../entry-id.ts'
import { BatchError, HandlerTimeoutError, PermanentError } from '../errors.ts'
import type { EventLogger, EventObserver, Outcome } from '../observer.ts'
import { type Entry, type GroupMember, type Move, originOf, refOf } from '../transport.ts'
import { Acks } from './acks.ts'
import { type Delivery, deliveryOf, Invocation } from './delivery.ts'
import { fateOf, outcomeOf } from './fate.ts'
import { DependencyGate } from './gate.ts'
import { Lanes } from './lanes.ts'
import { persist } from './persist.ts'
import { ReadAhead } from './read-ahead.ts'
import { Signal } from './signal.ts'
import type { ReceivedEvent, Subscription } from './subscription.ts'

const BEHIND_FULL_RETRY_MS = 200

export interface DispatcherOptions {
  readonly subscription: Subscription
  readonly member: GroupMember
  readonly replay: boolean
  readonly observer: EventObserver
  readonly logger: EventLogger
  readonly now: () => number
  readonly random: () => number
}

interface Failure {
  readonly error: unknown
}

/** Takes the entries a member reads to their end: handled and acknowledged, or moved. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #lanes: Lanes
  readonly #gate: DependencyGate
  readonly #acks: Acks
  readonly #ahead: ReadAhead
  readonly #invocations = new Set<Invocation>()
  readonly #busy = new Map<string, Entry>()
  readonly #held = new Set<string>()
  #sweep: ReturnType<typeof setTimeout> | undefined
  #stopping = false
  #blocked = false
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

  /** Too many events wait behind one key: only what is delivered again may be read, which is what the key waits for. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** How many entries may be read now. */
  capacity(): number {
    if (this.#stopping) return 0
    if (this.#gate.closed) return this.#lanes.hasUntried() ? 0 : this.#ahead.roomForProbe(this.#busy.size)
    return this.#ahead.room(this.#lanes.queued, this.#busy.size)
  }

  /** Ordered groups, when this member begins to lead: the keys that wait for an earlier event. */
  leads(held: ReadonlySet<string>): void {
    this.#held.clear()
    for (const key of held) this.#held.add(key)
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
      else this.#lanes.add(delivery, entry.again && this.#held.has(delivery.key))
    }
    this.#pump()
  }

  /** Drops what another member has taken over; a handler that runs is told by its signal. */
  lost(refs: readonly string[]): void {
    for (const ref of refs) {
      this.#busy.delete(ref)
      this.#lanes.drop(ref)
      for (const invocation of this.#invocations) {
        if (invocation.deliveries.some((delivery) => delivery.ref === ref)) {
          invocation.abort(new Error('another process has taken the event over'))
        }
      }
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
    clearTimeout(this.#sweep)
    const open: string[] = []
    for (const invocation of this.#invocations) {
      for (const { received } of invocation.deliveries) open.push(received?.event.type ?? '')
      invocation.abort(new Error('the process is shutting down'))
    }
    return open
  }

  #pump(): void {
    const { batched, concurrency, maxBatch } = this.#options.subscription
    if (!this.#options.member.leading) return
    while (!this.#stopping && this.#gate.admits(this.#lanes.running)) {
      if (batched && this.#invocations.size >= concurrency) return
      const first = this.#lanes.take(this.#gate.closed)
      if (!first) return
      const probe = this.#gate.closed
      this.#gate.started()
      if (!this.#needsPreparation(first)) {
        const deliveries = batched && !probe ? this.#lanes.takeMore(first, maxBatch) : [first]
        this.#invoke(deliveries)
      } else void this.#prepare(first)
    }
  }

  #needsPreparation({ entry, key, decided }: Delivery): boolean {
    return decided !== undefined || entry.suspect || (this.#held.has(key) && !entry.again)
  }

  async #prepare(delivery: Delivery): Promise<void> {
    const { member, now } = this.#options
    const { entry, key, decided } = delivery
    if (this.#held.has(key) && !entry.again && !(await this.#passes(delivery))) return
    if (decided && decided !== 'skip') {
      return this.#move(delivery, decided, now())
    }
    if (entry.suspect && !(await this.#surely(() => member.begin(entry), false))) {
      return this.#finish(delivery, 'lost', now())
    }
    this.#invoke([delivery])
  }

  /** Ordered groups: false when the entry now waits behind its key. */
  async #passes(delivery: Delivery): Promise<boolean> {
    const { member, logger, now, subscription } = this.#options
    for (;;) {
      const place = await this.#surely(() => member.queueBehind(delivery.entry, delivery.key), 'lost')
      if (place === 'free') {
        this.#held.delete(delivery.key)
        this.#blocked = false
        return true
      }
      if (place !== 'full' || this.#stopping) {
        this.#blocked = false
        this.#finish(delivery, 'postponed', now())
        return false
      }
      if (!this.#blocked) {
        logger.error(
          { subscription: subscription.name },
          'too many events wait behind one key: reading pauses',
        )
      }
      this.#blocked = true
      this.#lanes.running--
      await new Promise((resolve) => setTimeout(resolve, BEHIND_FULL_RETRY_MS))
      this.#lanes.running++
    }
  }

  #invoke(deliveries: readonly Delivery[]): void {
    const { subscription, observer, now } = this.#options
    const invocation = new Invocation(subscription, deliveries, now())
    this.#invocations.add(invocation)
    this.#sweep ??= setTimeout(() => this.#sweepOverdue(), subscription.timeoutMs)
    const events: ReceivedEvent[] = []
    for (const { received } of deliveries) if (received) events.push(received.event)
    const ended = () => this.#ended(invocation, undefined)
    const failed = (error: unknown) => this.#ended(invocation, { error })
    try {
      if (observer.handling) {
        const envelopes = deliveries.flatMap(({ received }) => (received ? [received.envelope] : []))
        const run = async () => {
          await subscription.handle(events, invocation)
        }
        observer.handling(subscription.name, envelopes, run).then(ended, failed)
        return
      }
      const result = subscription.handle(events, invocation)
      if (result instanceof Promise) result.then(ended, failed)
      else Promise.resolve(result).then(ended, failed)
    } catch (error) {
      failed(error)
    }
  }

  #sweepOverdue(): void {
    const { now, subscription } = this.#options
    this.#sweep = undefined
    for (const invocation of this.#invocations) {
      const leftMs = invocation.startedAtMs + subscription.timeoutMs - now()
      if (leftMs > 0) {
        this.#sweep = setTimeout(() => this.#sweepOverdue(), leftMs)
        return
      }
      const error = new HandlerTimeoutError(subscription.timeoutMs)
      invocation.abort(error)
      this.#ended(invocation, { error })
    }
  }

  #ended(invocation: Invocation, failure: Failure | undefined): void {
    if (!this.#invocations.delete(invocation)) return
    const { deliveries, startedAtMs } = invocation
    this.#ahead.took(this.#options.now() - startedAtMs)
    if (failure && deliveries.length > 1) this.#split(deliveries, failure.error, startedAtMs)
    else for (const delivery of deliveries) this.#settle(delivery, failure, startedAtMs)
    this.#pump()
  }

  #split(deliveries: readonly Delivery[], error: unknown, startedAtMs: number): void {
    if (error instanceof BatchError) {
      const failures = new Map(error.failures.map((failure) => [failure.id, failure]))
      for (const delivery of deliveries) {
        this.#settle(delivery, failures.get(delivery.received?.event.id ?? ''), startedAtMs)
      }
      return
    }
    if (this.#gate.isDependency(error)) {
      for (const delivery of deliveries) this.#settle(delivery, { error }, startedAtMs)
      return
    }
    const middle = Math.ceil(deliveries.length / 2)
    this.#invoke(deliveries.slice(0, middle))
    this.#invoke(deliveries.slice(middle))
  }

  #settle(delivery: Delivery, failure: Failure | undefined, startedAtMs: number): void {
    const { subscription, now, random } = this.#options
    const { entry } = delivery
    if (!failure) {
      this.#gate.succeeded()
      if (subscription.ordered && entry.again) void this.#release(delivery, startedAtMs)
      else if (entry.suspect) void this.#acknowledgeNow(delivery, startedAtMs)
      else this.#finish(delivery, 'done', startedAtMs)
      return
    }
    const { error } = failure
    if (!(error instanceof PermanentError) && this.#gate.failed(originOf(entry), error)) {
      delivery.probed = true
      this.#report(delivery, 'postponed', startedAtMs)
      this.#lanes.postpone(delivery)
      if (this.#stopping) this.#busy.delete(delivery.ref)
      return
    }
    const { attempt = entry.deliveries } = delivery.received?.event ?? {}
    const fate = fateOf({ attempt, key: delivery.key }, error, subscription, { now: now(), random })
    void this.#move(delivery, fate, startedAtMs)
  }

  async #move(delivery: Delivery, move: Move, startedAtMs: number): Promise<void> {
    const { member, subscription, logger } = this.#options
    const outcome = await this.#surely(() => member.move(delivery.entry, move), 'lost')
    if (outcome === 'moved') {
      if (move.key !== undefined && move.keyThen === 'hold') this.#held.add(move.key)
      if (move.delayMs !== undefined) this.retryIn(move.delayMs)
    }
    if (move.to === 'dead' && outcome === 'moved') {
      const { notes } = move
      const about = { subscription: subscription.name, entry: originOf(delivery.entry), ...notes }
      logger.error(about, 'an event went to the dead letters')
    }
    this.#finish(delivery, outcomeOf(move, outcome), startedAtMs)
  }

  /** Acknowledges the head of a key; the key goes on once nothing waits behind it. */
  async #release(delivery: Delivery, startedAtMs: number): Promise<void> {
    const { member } = this.#options
    const { held } = await this.#surely(() => member.release(delivery.entry, delivery.key), { held: true })
    if (!held) this.#held.delete(delivery.key)
    this.#finish(delivery, 'done', startedAtMs, false)
  }

  /** A suspect is off the books before the next one starts. */
  async #acknowledgeNow(delivery: Delivery, startedAtMs: number): Promise<void> {
    await this.#surely(() => this.#options.member.ack([delivery.entry]), undefined)
    this.#finish(delivery, 'done', startedAtMs, false)
  }

  #surely<T>(act: () => Promise<T>, otherwise: T): Promise<T> {
    return persist(act, { otherwise, stopped: () => this.#stopping, logger: this.#options.logger })
  }

  #finish(delivery: Delivery, outcome: Outcome, startedAtMs: number, acknowledge = true): void {
    const { entry, ref } = delivery
    if (acknowledge && (outcome === 'done' || outcome === 'skipped')) this.#acks.add(entry)
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
