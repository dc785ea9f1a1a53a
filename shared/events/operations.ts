import type {
  BulkOptions,
  DeadLetter,
  DeadLetterAudit,
  DeadLetterFilter,
  DeadLetters,
} from './dead-letters.ts'
import { EventError } from './errors.ts'
import type { EventContract, StreamContract } from './event.ts'
import type { Events } from './events.ts'
import type { SubscriptionHealth } from './health.ts'
import type { ParkedEvent } from './parked.ts'
import type { Registry } from './registry.ts'
import type { ReplayOptions } from './replay.ts'
import type { ReplayJob } from './replay-jobs.ts'

/** What somebody does to the events of a service, for its audit trail. */
export interface EventsAudit {
  /** `events.pausing` before it is done, `events.paused` after. */
  readonly action: string
  readonly entity: 'subscription' | 'replay'
  readonly entityId: string
  readonly after: Readonly<Record<string, unknown>>
}

export interface NamedReplay extends Omit<ReplayOptions, 'event'> {
  /** Names. Default: all that the subscription takes. */
  readonly events?: readonly string[]
}

/**
 * What operators do, over HTTP and at the command line.
 *
 * Each change is recorded twice, before and after: the event server and the database that has the trail share no
 * transaction. When the first row cannot be written nothing is changed; when the second cannot, the caller is told, the
 * change stays, and the first row says that it was begun.
 */
export interface EventOperations {
  subscriptions(): Promise<readonly SubscriptionHealth[]>
  /** @throws {EventError} `EVENT_UNKNOWN`, as everything here that names a subscription. */
  setPaused(subscription: string, paused: boolean): Promise<void>
  readonly deadLetters: Pick<DeadLetters, 'list'>
  deadLetter(subscription: string, id: string): Promise<DeadLetter>
  redrive(subscription: string, which: Which, options: BulkOptions): Promise<number>
  purge(subscription: string, which: Which, options: BulkOptions): Promise<number>
  parked(subscription: string): Promise<readonly ParkedEvent[]>
  /** @throws {EventError} `EVENT_UNKNOWN` for an event, `EVENT_SUBSCRIPTION_INVALID` for what may not be replayed. */
  replay(options: NamedReplay): Promise<ReplayJob>
  replays(): Promise<readonly ReplayJob[]>
  /** @throws {EventError} `EVENT_UNKNOWN` */
  replayOf(id: string): Promise<ReplayJob>
  /** Ends a running replay; false when it was over. @throws {EventError} `EVENT_UNKNOWN` */
  cancelReplay(id: string): Promise<boolean>
  /**
   * Takes over the subscriptions of the name that this service had before; no process of that name may run.
   *
   * @throws {EventError} `EVENT_UNKNOWN` when nothing belongs to it, `EVENT_SUBSCRIPTION_INVALID` when it still runs.
   */
  renameOwner(from: string): Promise<readonly RenamedSubscription[]>
}

/** A subscription under its new owner. */
export interface RenamedSubscription {
  readonly subscription: string
  readonly group: string
  /** Delivered and not acknowledged: they are delivered again. */
  readonly pending: number
}

type Which = readonly string[] | DeadLetterFilter

export interface EventOperationsOptions {
  readonly events: Events
  readonly registry: Pick<Registry, 'find'>
  readonly record: (row: EventsAudit) => Promise<void>
  /** Moves what belongs to another name to this service's. */
  readonly moveOwner: (from: string) => Promise<readonly RenamedSubscription[]>
}

const MAX_LETTERS_RECORDED = 100

export function createEventOperations({
  events,
  registry,
  record,
  moveOwner,
}: EventOperationsOptions): EventOperations {
  const replayOf = async (id: string) => {
    const job = (await events.replays()).find((one) => one.id === id)
    if (!job) throw new EventError('EVENT_UNKNOWN', `there is no replay ${id}`)
    return job
  }
  return {
    async renameOwner(from) {
      const owner = events.service
      await record({
        action: 'events.owner_renaming',
        entity: 'subscription',
        entityId: `${from}.*`,
        after: { owner },
      })
      const moved = await moveOwner(from)
      for (const { subscription, group } of moved) {
        await record({
          action: 'events.owner_renamed',
          entity: 'subscription',
          entityId: subscription,
          after: { owner, group },
        })
      }
      return moved
    },
    subscriptions: () => events.health(),
    async setPaused(subscription, paused) {
      const row = { entity: 'subscription', entityId: subscription, after: { paused } } as const
      await record({ ...row, action: paused ? 'events.pausing' : 'events.resuming' })
      await (paused ? events.pause(subscription) : events.resume(subscription))
      await record({ ...row, action: paused ? 'events.paused' : 'events.resumed' })
    },
    deadLetters: events.deadLetters,
    async deadLetter(subscription, id) {
      const letter = await events.deadLetters.get(subscription, id)
      if (!letter) throw new EventError('EVENT_UNKNOWN', `there is no dead letter ${id}`)
      return letter
    },
    redrive: (subscription, which, options) => events.deadLetters.redrive(subscription, which, options),
    purge: (subscription, which, options) => events.deadLetters.purge(subscription, which, options),
    parked: (subscription) => events.parked(subscription),
    async replay({ events: names, ...options }) {
      const event = names?.map((name) => streamContract(registry, name))
      const replay = () => events.replay({ ...options, ...(event && { event }) })
      if (options.dryRun) return await replay()
      const row = { entity: 'subscription', entityId: options.subscription } as const
      await record({ ...row, action: 'events.replay_starting', after: { events: names ?? null } })
      const job = await replay()
      const after = { replay: job.id, events: job.events, total: job.total }
      await record({ ...row, action: 'events.replay_started', after })
      return job
    },
    replays: () => events.replays(),
    replayOf,
    async cancelReplay(id) {
      const { subscription, status } = await replayOf(id)
      if (status !== 'running') return false
      const row = { entity: 'replay', entityId: id, after: { subscription } } as const
      await record({ ...row, action: 'events.replay_cancelling' })
      const cancelled = await events.cancelReplay(id)
      if (cancelled) await record({ ...row, action: 'events.replay_cancelled' })
      return cancelled
    },
  }
}

/** What `createEvents` tells about dead letters, as the others are told. */
export function deadLettersAudit({ action, done, subscription, letters, by }: DeadLetterAudit): EventsAudit {
  const verb = { redrive: ['redriving', 'redriven'], purge: ['purging', 'purged'] }[action][done ? 1 : 0]
  return {
    action: `events.dead_letters_${verb}`,
    entity: 'subscription',
    entityId: subscription,
    after: { by, count: letters.length, letters: letters.slice(0, MAX_LETTERS_RECORDED) },
  }
}

function streamContract(registry: Pick<Registry, 'find'>, name: string): StreamContract {
  const contract: EventContract | undefined = registry.find(name)
  if (contract?.delivery !== 'stream') {
    throw new EventError('EVENT_UNKNOWN', `no durable event is named ${name}`)
  }
  return contract as StreamContract
}
