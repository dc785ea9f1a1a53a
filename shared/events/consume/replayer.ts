import type { EventLogger, EventObserver, Outcome } from '../observer.ts'
import type { EventArchive } from '../outbox.ts'
import type { ReplayJob, ReplayJobs, ReplayPart } from '../replay-jobs.ts'
import { ArchiveFeeder } from './archive-feeder.ts'
import { Consumer, type ConsumerOptions } from './consumer.ts'
import type { Subscription } from './subscription.ts'

export interface ReplayerOptions
  extends Omit<ConsumerOptions, 'subscription' | 'tag' | 'isPaused' | 'replay'> {
  readonly service: string
  readonly jobs: ReplayJobs
  readonly archive: EventArchive | undefined
  readonly subscriptions: () => readonly Subscription[]
  readonly observer: EventObserver
  readonly logger: EventLogger
  /** How often jobs are looked for and their progress is saved. */
  readonly replaysEveryMs: number
}

const ENDS: ReadonlySet<Outcome> = new Set(['done', 'duplicate', 'dead'])

interface Running {
  readonly job: ReplayJob
  readonly consumers: readonly Consumer[]
  readonly feeders: readonly ArchiveFeeder[]
  handled: number
}

/** Runs stored replays in this process, beside every other process that runs the same subscription. */
export class Replayer {
  readonly #options: ReplayerOptions
  readonly #running = new Map<string, Running>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #turn: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: ReplayerOptions) {
    this.#options = options
  }

  start(): void {
    this.#turn = this.#look()
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#turn
    await Promise.all([...this.#running.values()].map((running) => this.#leave(running, deadlineMs)))
  }

  async #look(): Promise<void> {
    try {
      const jobs = await this.#options.jobs.list()
      // Joined first: tending ends some, which this list still calls running.
      for (const job of jobs) if (job.status === 'running' && !this.#stopped) await this.#join(job)
      for (const running of [...this.#running.values()]) await this.#tend(running, jobs)
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'replays could not be looked at; trying again')
    }
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#turn = this.#look()
    }, this.#options.replaysEveryMs)
  }

  async #join(job: ReplayJob): Promise<void> {
    const { service, subscriptions } = this.#options
    const subscription = subscriptions().find(({ name }) => name === job.subscription)
    if (job.service !== service || !subscription || this.#running.has(job.id)) return
    const feeders = job.parts.map((part) => this.#feeder(job, part))
    const replayed = restrict(subscription, job)
    const running: Running = {
      job,
      handled: 0,
      feeders,
      consumers: job.parts.map(
        ({ tag, until }, at) =>
          new Consumer({
            ...this.#options,
            observer: this.#counting(() => running.handled++),
            subscription: replayed,
            tag,
            replay: { group: job.group, until, isFed: () => feeders[at]?.done ?? true },
            isPaused: () => false,
          }),
      ),
    }
    this.#running.set(job.id, running)
    for (const consumer of running.consumers) await consumer.start()
    for (const feeder of feeders) feeder.start()
  }

  #feeder({ group, events }: ReplayJob, part: ReplayPart): ArchiveFeeder {
    const { transport, archive, logger } = this.#options
    const operations = transport.operate(part.tag, group)
    return new ArchiveFeeder({ part, types: events, operations, archive, logger })
  }

  async #tend(running: Running, jobs: readonly ReplayJob[]): Promise<void> {
    const { jobs: store, logger, now, transport } = this.#options
    const { job, consumers, feeders } = running
    const handled = running.handled
    if (handled > 0) await store.advance(job.id, handled)
    running.handled -= handled
    if (jobs.find(({ id }) => id === job.id)?.status !== 'running') return this.#leave(running, now())

    if (!feeders.every(({ done }) => done)) return
    const finished = await Promise.all(consumers.map(({ member }) => member?.finished() ?? false))
    if (finished.includes(false) || !(await store.end(job.id, 'done'))) return
    await this.#leave(running, now())
    for (const { tag } of job.parts) await transport.operate(tag, job.group).remove()
    logger.info({ replay: job.id, subscription: job.subscription, total: job.total }, 'a replay is done')
  }

  async #leave(running: Running, deadlineMs: number): Promise<void> {
    this.#running.delete(running.job.id)
    await Promise.all(running.feeders.map((feeder) => feeder.stop()))
    await Promise.all(running.consumers.map((consumer) => consumer.stop(deadlineMs)))
    if (running.handled > 0) await this.#options.jobs.advance(running.job.id, running.handled)
  }

  #counting(handled: () => void): EventObserver {
    const { observer } = this.#options
    const { consumed } = observer
    return {
      ...observer,
      consumed(consumption) {
        if (ENDS.has(consumption.outcome)) handled()
        consumed?.call(observer, consumption)
      },
    }
  }
}

/** The subscription for the job's events only, no faster than the job allows. */
function restrict(subscription: Subscription, { events, perSecond }: ReplayJob): Subscription {
  const contracts = new Map([...subscription.contracts].filter(([name]) => events.includes(name)))
  if (perSecond === undefined) return { ...subscription, contracts }
  let nextAtMs = 0
  return {
    ...subscription,
    contracts,
    // So that an event waits for its turn a second at most, which its timeout can bear.
    concurrency: Math.max(1, Math.min(subscription.concurrency, Math.floor(perSecond))),
    maxBatch: Math.max(1, Math.min(subscription.maxBatch, Math.floor(perSecond))),
    async handle(received, context) {
      const now = performance.now()
      const turnAtMs = Math.max(now, nextAtMs)
      nextAtMs = turnAtMs + (received.length * 1000) / perSecond
      if (turnAtMs > now) await new Promise((resolve) => setTimeout(resolve, turnAtMs - now))
      await subscription.handle(received, context)
    },
  }
}
