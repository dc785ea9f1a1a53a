import { EventError } from '../errors.ts'
import type { EventLogger, EventObserver } from '../observer.ts'
import type { EventArchive } from '../outbox.ts'
import type { ReplayJobs } from '../replay-jobs.ts'
import type { SubscriptionStore } from '../store.ts'
import { type Shards, tagsOf } from '../tags.ts'
import type { StreamTransport } from '../transport.ts'
import { Consumer } from './consumer.ts'
import { Replayer } from './replayer.ts'
import type { Subscription } from './subscription.ts'

export interface Timing {
  /** How often entries that others abandoned are looked for. Default 15,000. */
  readonly recoverEveryMs: number
  /** How often entries in work are kept ours. Default, and at most: the transport's own `keepAliveMs`. */
  readonly keepAliveMs: number
  /** How often parked events are tried. Default 30,000. */
  readonly parkedEveryMs: number
  /** How often low-water marks are saved. Default 5,000. */
  readonly markEveryMs: number
  /** How soon a pause or a resume is noticed. Default 1,000. */
  readonly pausedEveryMs: number
  /** How often replays are looked for. Default 1,000. */
  readonly replaysEveryMs: number
}

export interface PoolOptions extends Partial<Timing> {
  readonly service: string
  readonly streams: StreamTransport
  readonly store: SubscriptionStore
  readonly jobs: ReplayJobs
  readonly archive: EventArchive | undefined
  readonly shards: Shards
  readonly observer: EventObserver
  readonly logger: EventLogger
  readonly now: () => number
  readonly random: () => number
}

interface Running {
  readonly subscription: Subscription
  readonly consumers: readonly Consumer[]
  paused: boolean
}

/** Every subscription of this process: registered, read, and remembered. */
export class ConsumerPool {
  readonly #options: PoolOptions
  readonly #declared = new Map<string, Subscription>()
  readonly #running: Running[] = []
  readonly #timers: ReturnType<typeof setInterval>[] = []
  readonly #replayer: Replayer
  #state: 'new' | 'started' | 'stopped' = 'new'

  constructor(options: PoolOptions) {
    this.#options = options
    this.#replayer = new Replayer({
      recoverEveryMs: 15_000,
      keepAliveMs: options.streams.keepAliveMs,
      parkedEveryMs: 30_000,
      replaysEveryMs: 1000,
      ...options,
      transport: options.streams,
      subscriptions: () => this.subscriptions,
    })
  }

  get subscriptions(): readonly Subscription[] {
    return [...this.#declared.values()]
  }

  add(subscription: Subscription): void {
    const { name } = subscription
    const refuse = (reason: string) =>
      new EventError('EVENT_SUBSCRIPTION_INVALID', `subscription ${name}: ${reason}`)
    if (this.#state !== 'new') throw refuse('subscribe before start')
    if (this.#declared.has(name)) throw refuse('declared twice')
    this.#declared.set(name, subscription)
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') throw new EventError('EVENTS_CLOSED', 'start is called once')
    this.#state = 'started'
    await this.#refuseStrangers()
    try {
      for (const subscription of this.#declared.values()) await this.#begin(subscription)
    } catch (error) {
      await this.stop(this.#options.now())
      throw error
    }
    this.#replayer.start()
    const { markEveryMs = 5000, pausedEveryMs = 1000 } = this.#options
    this.#timers.push(setInterval(() => void this.#quietly(() => this.#remember()), markEveryMs))
    this.#timers.push(setInterval(() => void this.#quietly(() => this.#lookForPauses()), pausedEveryMs))
  }

  async stop(deadlineMs: number): Promise<readonly string[]> {
    this.#state = 'stopped'
    for (const timer of this.#timers) clearInterval(timer)
    const consumers = this.#running.flatMap(({ consumers }) => consumers)
    const replays = this.#replayer.stop(deadlineMs)
    const open = await Promise.all(consumers.map((consumer) => consumer.stop(deadlineMs)))
    await replays
    await this.#quietly(() => this.#remember())
    return open.flat()
  }

  async #begin(subscription: Subscription): Promise<void> {
    const { service, store, shards, streams, now, recoverEveryMs = 15_000 } = this.#options
    const { keepAliveMs = streams.keepAliveMs, parkedEveryMs = 30_000 } = this.#options
    const tags = subscription.domains.flatMap((domain) => tagsOf(domain, shards))
    const { group, name } = subscription
    const events = [...subscription.contracts.keys()]
    await store.register({ group, owner: service, name, events, tags, heardAtMs: now() })
    const running: Running = {
      subscription,
      paused: await store.isPaused(group),
      consumers: tags.map(
        (tag) =>
          new Consumer({
            ...this.#options,
            subscription,
            tag,
            transport: streams,
            recoverEveryMs,
            keepAliveMs,
            parkedEveryMs,
            isPaused: () => running.paused,
          }),
      ),
    }
    this.#running.push(running)
    for (const consumer of running.consumers) {
      await consumer.start()
      // A group made just now has a position nobody has saved yet.
      await store.saveMark(group, consumer.tag, (await consumer.member?.mark()) ?? '0-0')
    }
  }

  /** A service under a new name would silently start new groups and leave the old ones behind. */
  async #refuseStrangers(): Promise<void> {
    const { store, service } = this.#options
    if (!store.exclusive) return
    const owners = new Set((await store.list()).map(({ owner }) => owner))
    owners.delete(service)
    if (owners.size === 0) return
    const names = [...owners].join(', ')
    throw new EventError(
      'EVENT_SUBSCRIPTION_INVALID',
      `the subscriptions here belong to ${names}, not to ${service}: run events rename-owner first`,
    )
  }

  async #remember(): Promise<void> {
    const { store, now } = this.#options
    for (const { subscription, consumers } of this.#running) {
      await store.heard(subscription.group, now())
      for (const { member, tag } of consumers) {
        if (member) await store.saveMark(subscription.group, tag, await member.mark())
      }
    }
  }

  async #lookForPauses(): Promise<void> {
    for (const running of this.#running)
      running.paused = await this.#options.store.isPaused(running.subscription.group)
  }

  async #quietly(act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      this.#options.logger.debug(
        { err: error },
        'what is remembered about subscriptions could not be brought up to date',
      )
    }
  }
}
