import type { EventLogger, EventObserver } from '../observer.ts'
import type { GroupMember, JoinOptions, StreamTransport } from '../transport.ts'
import { Dispatcher } from './dispatcher.ts'
import { Signal } from './signal.ts'
import type { Subscription } from './subscription.ts'
import { Upkeep } from './upkeep.ts'

const NOT_LEADING_MS = 1000
const ROOM_MS = 1000
const FIRST_ERROR_WAIT_MS = 100
const MAX_ERROR_WAIT_MS = 5000

export interface ConsumerOptions {
  readonly subscription: Subscription
  readonly tag: string
  readonly transport: StreamTransport
  readonly observer: EventObserver
  readonly logger: EventLogger
  readonly now: () => number
  readonly random: () => number
  /** How often entries that others abandoned are looked for. */
  readonly recoverEveryMs: number
  /** Others may claim an entry that was not kept alive for three times this. */
  readonly keepAliveMs: number
  /** How often what is parked is looked at. */
  readonly parkedEveryMs: number
  readonly isPaused: () => boolean
  /** A replay's group and end, and whether its archive comes first; absent for the live subscription. */
  readonly replay?: Required<Pick<JoinOptions, 'group' | 'until'>> & { readonly isFed: () => boolean }
}

/** Reads one tag for one subscription, in this process, until it is stopped. */
export class Consumer {
  readonly #options: ConsumerOptions
  readonly #stop = new AbortController()
  readonly #stopped = new Signal()
  #member: GroupMember | undefined
  #dispatcher: Dispatcher | undefined
  #upkeep: Upkeep | undefined
  #loop: Promise<void> = Promise.resolve()
  #leads = false
  #recoverAtMs = 0
  #healthy = true

  constructor(options: ConsumerOptions) {
    this.#options = options
  }

  get tag(): string {
    return this.#options.tag
  }

  get member(): GroupMember | undefined {
    return this.#member
  }

  /** False while the event server does not answer the reading loop. */
  get healthy(): boolean {
    return this.#healthy
  }

  get waitsForDependency(): boolean {
    return this.#dispatcher?.waitsForDependency ?? false
  }

  /** @throws when the event server cannot be reached; nothing runs then. */
  async start(): Promise<void> {
    const { subscription, tag, transport, replay } = this.#options
    const member = await transport.join({
      group: subscription.group,
      tag,
      ordered: subscription.ordered,
      start: subscription.start,
      maxBehind: subscription.maxBehind,
      ...(replay && { group: replay.group, until: replay.until, deadLettersOf: subscription.group }),
    })
    this.#member = member
    const group = replay?.group ?? subscription.group
    const dispatcher = new Dispatcher({ ...this.#options, member, group, replay: replay !== undefined })
    this.#dispatcher = dispatcher
    const upkeep = new Upkeep({
      ...this.#options,
      member,
      dispatcher,
      recoverSoon: () => {
        this.#recoverAtMs = 0
      },
    })
    dispatcher.retryIn = (delayMs) => upkeep.expect(delayMs)
    this.#upkeep = upkeep
    upkeep.start()
    this.#loop = this.#run(member, dispatcher)
  }

  /**
   * Stops reading, hands back what was not started, waits for what runs, leaves the group.
   *
   * @returns the types still running at the deadline (milliseconds since 1970).
   */
  async stop(deadlineMs: number): Promise<readonly string[]> {
    this.#stop.abort()
    this.#stopped.notify()
    this.#dispatcher?.room.notify()
    const open = (await this.#dispatcher?.drain(deadlineMs)) ?? []
    await this.#upkeep?.stop()
    await this.#member
      ?.leave()
      .catch((error: unknown) =>
        this.#options.logger.warn({ err: error }, 'the group could not be left in order'),
      )
    await this.#loop
    return open
  }

  async #run(member: GroupMember, dispatcher: Dispatcher): Promise<void> {
    let waitMs = FIRST_ERROR_WAIT_MS
    while (!this.#stop.signal.aborted) {
      try {
        await this.#step(member, dispatcher)
        if (!this.#healthy) this.#options.logger.info({ tag: this.tag }, 'reading events again')
        this.#healthy = true
        waitMs = FIRST_ERROR_WAIT_MS
      } catch (error) {
        if (this.#stop.signal.aborted) return
        const about = { err: error, subscription: this.#options.subscription.name, tag: this.tag }
        if (this.#healthy) this.#options.logger.error(about, 'events cannot be read; trying again')
        this.#healthy = false
        this.#recoverAtMs = 0
        await this.#stopped.wait(waitMs)
        waitMs = Math.min(waitMs * 2, MAX_ERROR_WAIT_MS)
      }
    }
  }

  async #step(member: GroupMember, dispatcher: Dispatcher): Promise<void> {
    const leads = await this.#mayRead(member, dispatcher)
    if (this.#stop.signal.aborted) return
    if (!leads) return this.#stopped.wait(NOT_LEADING_MS)
    dispatcher.resume()
    const room = dispatcher.capacity()
    if (room <= 0 || this.#options.isPaused()) return dispatcher.room.wait(ROOM_MS)
    if (!dispatcher.blocked && this.#options.now() >= this.#recoverAtMs)
      return this.#recover(member, dispatcher, room)
    const isFed = this.#options.replay?.isFed() ?? true
    const entries = await member.read(room, dispatcher.blocked || !isFed ? 'again' : 'all')
    if (entries.length === 0) return
    const overtaken = await member.overtaken(entries, dispatcher.busy)
    if (this.#stop.signal.aborted) await member.handBack([...overtaken, ...entries])
    else dispatcher.accept([...overtaken, ...entries])
  }

  async #mayRead(member: GroupMember, dispatcher: Dispatcher): Promise<boolean> {
    const leads = await member.lead()
    if (leads && !this.#leads) {
      dispatcher.leads(await member.heldKeys())
      this.#recoverAtMs = 0
    }
    if (!leads && this.#leads) dispatcher.follows()
    this.#leads = leads
    return leads
  }

  async #recover(member: GroupMember, dispatcher: Dispatcher, room: number): Promise<void> {
    const { entries, deleted, more } = await member.recover(dispatcher.busy, room)
    if (!more) this.#recoverAtMs = this.#options.now() + this.#options.recoverEveryMs
    if (deleted.length > 0) {
      const { observer, logger, tag, subscription } = this.#options
      observer.entriesLost?.({ tag, group: subscription.group, count: deleted.length })
      logger.error(
        { tag, group: subscription.group, entries: deleted },
        'entries were trimmed before they were handled',
      )
    }
    if (this.#stop.signal.aborted) await member.handBack(entries)
    else dispatcher.accept(entries)
  }
}
