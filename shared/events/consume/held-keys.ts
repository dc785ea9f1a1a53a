import { isFresh } from '../entry.ts'
import type { EventLogger } from '../observer.ts'
import type { Entry, GroupMember } from '../transport.ts'
import type { Delivery } from './delivery.ts'
import { persist } from './persist.ts'
import type { Subscription } from './subscription.ts'

const FULL_RETRY_MS = 200

export interface HeldKeysOptions {
  readonly subscription: Subscription
  readonly member: GroupMember
  readonly logger: EventLogger
  readonly stopped: () => boolean
  /** Steps aside, and comes back, so that what the key waits for has a place to run. */
  readonly aside: (waiting: boolean) => void
}

/** Ordered groups: the keys that wait for an earlier event, as the leading member knows them. */
export class HeldKeys {
  readonly #options: HeldKeysOptions
  readonly #keys = new Set<string>()
  #full = 0

  constructor(options: HeldKeysOptions) {
    this.#options = options
  }

  /** Too many events wait behind one key: only what is delivered again may be read, which is what the key waits for. */
  get full(): boolean {
    return this.#full > 0
  }

  replace(keys: ReadonlySet<string>): void {
    this.#keys.clear()
    for (const key of keys) this.#keys.add(key)
  }

  hold(key: string): void {
    this.#keys.add(key)
  }

  isHeld(key: string): boolean {
    return this.#keys.has(key)
  }

  /** Whether an entry must be put behind its key before it may run. */
  stops({ entry, key }: Delivery): boolean {
    return isFresh(entry) && this.#keys.has(key)
  }

  /** Puts the entry behind its key; true when the key turns out to be free, so that the entry may run. */
  async passes({ entry, key }: Delivery): Promise<boolean> {
    const { member, logger, stopped, subscription, aside } = this.#options
    for (let waiting = false; ; ) {
      const act = () => member.queueBehind(entry, key)
      const place = await persist(act, { otherwise: 'lost', stopped, logger })
      if (place === 'full' && !stopped()) {
        if (!waiting) {
          this.#full++
          logger.error(
            { subscription: subscription.name },
            'too many events wait behind one key: reading pauses',
          )
        }
        waiting = true
        aside(true)
        await new Promise((resolve) => setTimeout(resolve, FULL_RETRY_MS))
        aside(false)
        continue
      }
      if (waiting) this.#full--
      if (place === 'free') this.#keys.delete(key)
      return place === 'free'
    }
  }

  /** Acknowledges what a key waited for; the key is free once nothing waits behind it. */
  async release(entry: Entry, key: string): Promise<void> {
    const { member, logger, stopped } = this.#options
    const act = () => member.release(entry, key)
    const { held } = await persist(act, { otherwise: { held: true }, stopped, logger })
    if (!held) this.#keys.delete(key)
  }
}
