import type { Delivery } from './delivery.ts'

/**
 * What waits to be handled, and in which order.
 *
 * Ordered: one delivery of a key at a time, later ones wait behind it. A suspect runs when nothing else does.
 */
export class Lanes {
  readonly #ordered: boolean
  readonly #concurrency: number
  readonly #behind = new Map<string, Delivery[]>()
  readonly #ahead = new Set<Delivery>()
  #ready: Delivery[] = []
  #head = 0
  #waiting = 0
  #alone = false
  running = 0

  constructor(ordered: boolean, concurrency: number) {
    this.#ordered = ordered
    this.#concurrency = concurrency
  }

  /** Deliveries that were not started. */
  get queued(): number {
    return this.#ready.length - this.#head + this.#waiting
  }

  /** @param ahead it is what its key waits for, so it does not queue behind the key's later events. */
  add(delivery: Delivery, ahead = false): void {
    if (ahead) this.#ahead.add(delivery)
    else if (this.#ordered) {
      const behind = this.#behind.get(delivery.key)
      if (behind) {
        behind.push(delivery)
        this.#waiting++
        return
      }
      this.#behind.set(delivery.key, [])
    }
    this.#ready.push(delivery)
  }

  /** The next delivery to start, or undefined while none may. `untried` prefers one that no probe has tried. */
  take(untried = false): Delivery | undefined {
    if (this.#alone || this.running >= this.#concurrency || this.#head === this.#ready.length)
      return undefined
    if (untried) this.#bringUntriedForward()
    const next = this.#ready[this.#head] as Delivery
    if (next.entry.suspect) {
      if (this.running > 0) return undefined
      this.#alone = true
    }
    this.#head++
    if (this.#head > 1024 && this.#head * 2 > this.#ready.length) {
      this.#ready = this.#ready.slice(this.#head)
      this.#head = 0
    }
    this.running++
    return next
  }

  /** The delivery is decided: its key goes on. */
  done(delivery: Delivery): void {
    this.#stopped()
    if (this.#ahead.delete(delivery)) return
    const behind = this.#behind.get(delivery.key)
    const next = behind?.shift()
    if (next) {
      this.#waiting--
      this.#ready.push(next)
    } else if (behind) this.#behind.delete(delivery.key)
  }

  /** The delivery was not decided: it comes again later, still ahead of its key. */
  postpone(delivery: Delivery): void {
    this.#stopped()
    this.#ready.push(delivery)
  }

  /** Takes out everything that was not started. A key whose delivery runs stays taken: what comes of it waits. */
  clear(): Delivery[] {
    const rest = this.#ready.slice(this.#head)
    const waiting = rest.filter((delivery) => !this.#ahead.delete(delivery))
    for (const behind of this.#behind.values()) rest.push(...behind.splice(0))
    for (const { key } of waiting) this.#behind.delete(key)
    this.#ready = []
    this.#head = 0
    this.#waiting = 0
    return rest
  }

  /** Takes a delivery that was not started out of the queue, because it is no longer ours. */
  drop(ref: string): void {
    const at = this.#ready.findIndex((delivery, index) => index >= this.#head && delivery.ref === ref)
    if (at >= 0) {
      const [delivery] = this.#ready.splice(at, 1)
      this.running++
      if (delivery) this.done(delivery)
      return
    }
    for (const behind of this.#behind.values()) {
      const place = behind.findIndex((delivery) => delivery.ref === ref)
      if (place < 0) continue
      behind.splice(place, 1)
      this.#waiting--
      return
    }
  }

  /** Whether some delivery has not failed as a probe yet. */
  hasUntried(): boolean {
    return this.#ready.some((delivery, index) => index >= this.#head && !delivery.probed)
  }

  /** The first with what may join it in one batch, at most `max` altogether. */
  takeMore(first: Delivery, max: number): readonly Delivery[] {
    const batch = [first]
    while (batch.length < max) {
      const next = this.#ready[this.#head]
      if (!next || next.entry.suspect || next.decided !== undefined) break
      const taken = this.take()
      if (!taken) break
      batch.push(taken)
    }
    return batch
  }

  #stopped(): void {
    this.running--
    this.#alone = false
  }

  #bringUntriedForward(): void {
    const at = this.#ready.findIndex((delivery, index) => index >= this.#head && !delivery.probed)
    if (at <= this.#head) return
    const [delivery] = this.#ready.splice(at, 1)
    if (delivery) this.#ready.splice(this.#head, 0, delivery)
  }
}
