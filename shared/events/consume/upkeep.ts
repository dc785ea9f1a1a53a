import type { EventLogger } from '../observer.ts'
import type { GroupMember } from '../transport.ts'
import type { Dispatcher } from './dispatcher.ts'
import { Signal } from './signal.ts'
import type { Subscription } from './subscription.ts'

const MAX_TICK_MS = 1000
const MIN_TICK_MS = 5

export interface UpkeepOptions {
  readonly subscription: Subscription
  readonly member: GroupMember
  readonly dispatcher: Dispatcher
  readonly keepAliveMs: number
  readonly parkedEveryMs: number
  readonly now: () => number
  readonly logger: EventLogger
  /** Called when there is something to recover. */
  readonly recoverSoon: () => void
}

/** What must go on while the reading loop waits: entries kept alive, retries brought back, parked events looked at. */
export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #wake = new Signal()
  #stopping = false
  #loop: Promise<void> = Promise.resolve()
  #keptAliveAtMs = 0
  #parkedAtMs = 0
  #nextAtMs = 0

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#keptAliveAtMs = options.now()
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** Something will be due earlier than the last look could know. */
  expect(delayMs: number): void {
    if (this.#options.now() + delayMs >= this.#nextAtMs) return
    this.#nextAtMs = this.#options.now() + delayMs
    this.#wake.notify()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#wake.notify()
    await this.#loop
  }

  async #run(): Promise<void> {
    const known = new Map<string, number>()
    for (const { name, latest } of this.#options.subscription.contracts.values()) known.set(name, latest)
    while (!this.#stopping) {
      this.#nextAtMs = this.#options.now() + MAX_TICK_MS
      try {
        const nextMs = await this.#tick(known)
        this.#nextAtMs = Math.min(this.#nextAtMs, this.#options.now() + nextMs)
      } catch (error) {
        // The reading loop reports that the server is away; here it would only be said twice.
        this.#options.logger.debug({ err: error }, 'upkeep of a subscription failed; trying again')
      }
      while (!this.#stopping && this.#options.now() < this.#nextAtMs) {
        await this.#wake.wait(Math.max(MIN_TICK_MS, this.#nextAtMs - this.#options.now()))
      }
    }
  }

  async #tick(known: ReadonlyMap<string, number>): Promise<number> {
    const { member, dispatcher, now, keepAliveMs, parkedEveryMs } = this.#options
    const at = now()
    if (at - this.#keptAliveAtMs >= keepAliveMs) {
      const lost = await member.keepAlive([...dispatcher.busy.values()])
      this.#keptAliveAtMs = at
      if (lost.length > 0) dispatcher.lost(lost)
    }
    const lookAtParked = at - this.#parkedAtMs >= parkedEveryMs
    if (lookAtParked) {
      if (await member.unpark(known)) this.#options.recoverSoon()
      this.#parkedAtMs = at
    }
    return Math.min(await member.bringBack(), keepAliveMs)
  }
}
