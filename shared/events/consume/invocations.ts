import { HandlerTimeoutError } from '../errors.ts'
import type { EventObserver } from '../observer.ts'
import { type Delivery, Invocation } from './delivery.ts'
import type { ReceivedEvent, Subscription } from './subscription.ts'

/** Why a handler did not succeed; wrapped, because anything may be thrown, even undefined. */
export interface Failure {
  readonly error: unknown
}

export interface InvocationsOptions {
  readonly subscription: Subscription
  readonly group: string
  readonly observer: EventObserver
  readonly now: () => number
  /** Called once for every invocation: at its end or at its timeout, whichever comes first. */
  readonly ended: (invocation: Invocation, failure: Failure | undefined) => void
}

/** The handlers that run, each within its time. One timer watches all: the earliest is always the first. */
export class Invocations {
  readonly #options: InvocationsOptions
  readonly #running = new Set<Invocation>()
  #sweep: ReturnType<typeof setTimeout> | undefined

  constructor(options: InvocationsOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#running.size
  }

  start(deliveries: readonly Delivery[]): void {
    const { subscription, group, now } = this.#options
    const invocation = new Invocation({
      group,
      subscription: subscription.name,
      deliveries,
      startedAtMs: now(),
    })
    this.#running.add(invocation)
    this.#sweep ??= setTimeout(() => this.#sweepOverdue(), subscription.timeoutMs)
    const failed = (error: unknown) => this.#end(invocation, { error })
    try {
      this.#call(invocation).then(() => this.#end(invocation, undefined), failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Tells the handler of an entry, if one runs, to stop; its outcome still counts. */
  abort(ref: string, reason: Error): void {
    for (const invocation of this.#running) {
      if (invocation.deliveries.some((delivery) => delivery.ref === ref)) invocation.abort(reason)
    }
  }

  /** Aborts what runs and watches it no longer. @returns its event types. */
  abandon(reason: Error): readonly string[] {
    clearTimeout(this.#sweep)
    const types: string[] = []
    for (const invocation of this.#running) {
      for (const { received } of invocation.deliveries) types.push(received?.event.type ?? '')
      invocation.abort(reason)
    }
    return types
  }

  #call(invocation: Invocation): Promise<unknown> {
    const { subscription, observer } = this.#options
    const events: ReceivedEvent[] = []
    for (const { received } of invocation.deliveries) if (received) events.push(received.event)
    if (!observer.handling) return Promise.resolve(subscription.handle(events, invocation))
    const envelopes = invocation.deliveries.flatMap(({ received }) => (received ? [received.envelope] : []))
    return observer.handling(subscription.name, envelopes, async () => {
      await subscription.handle(events, invocation)
    })
  }

  #end(invocation: Invocation, failure: Failure | undefined): void {
    if (this.#running.delete(invocation)) this.#options.ended(invocation, failure)
  }

  #sweepOverdue(): void {
    const { now, subscription } = this.#options
    this.#sweep = undefined
    for (const invocation of this.#running) {
      const leftMs = invocation.startedAtMs + subscription.timeoutMs - now()
      if (leftMs > 0) {
        this.#sweep = setTimeout(() => this.#sweepOverdue(), leftMs)
        return
      }
      const error = new HandlerTimeoutError(subscription.timeoutMs)
      invocation.abort(error)
      this.#end(invocation, { error })
    }
  }
}
