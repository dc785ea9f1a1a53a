import { type ComposeOptions, compose, DEFAULT_MAX_BYTES, type EventAttributes } from './compose.ts'
import { ConsumerPool } from './consume/pool.ts'
import {
  type BatchHandler,
  declareSubscription,
  type Handler,
  type ReceivedEvent,
  type SubscribeOptions,
  type TransactionContext,
} from './consume/subscription.ts'
import { inTransaction } from './consume/transactional.ts'
import { createDeadLetters, type DeadLetterAudit } from './dead-letters.ts'
import type { Envelope } from './envelope.ts'
import { EventError } from './errors.ts'
import type { EventContract, StreamContract } from './event.ts'
import type { Events, EventsOptions, Published } from './events.ts'
import { subscriptionsHealth } from './health.ts'
import { Listeners } from './listeners.ts'
import { listParked } from './parked.ts'
import { errorOf, Publisher } from './publisher.ts'
import { RateLimits } from './rate-limits.ts'
import { planReplay } from './replay.ts'

/** Puts the parts together. Nothing is opened or read before `start`; publishing works at once. */
export function createEvents<Trx = never>(options: EventsOptions<Trx>): Events<Trx> {
  const {
    service,
    transports,
    logger,
    observer = {},
    outbox,
    inbox,
    shards = {},
    maxBytes = DEFAULT_MAX_BYTES,
  } = options
  const {
    now = Date.now,
    newId = () => crypto.randomUUID(),
    random = Math.random,
    publishVersions = {},
  } = options
  const { streams, broadcasts, store, replays: jobs } = transports
  const composing: ComposeOptions = { source: service, maxBytes, publishVersions, newId, now }
  const publisher = new Publisher({ streams, broadcasts, shards, observer })
  const limits = new RateLimits(now)
  const listeners = new Listeners({ broadcasts, logger, observer })
  const pool = new ConsumerPool({
    service,
    streams,
    store,
    jobs,
    archive: options.archive,
    shards,
    observer,
    logger,
    now,
    random,
    ...options.timing,
  })

  const audit =
    options.audit ??
    (async (told: DeadLetterAudit) => logger.info(told, 'dead letters are redriven or purged'))

  async function setPaused(subscription: string, paused: boolean): Promise<void> {
    if (await store.setPaused(`${service}.${subscription}`, paused)) return
    throw new EventError('EVENT_UNKNOWN', `no subscription is named ${subscription}`)
  }

  const attributes = (given: EventAttributes): EventAttributes =>
    observer.context ? { ...observer.context(), ...given } : given
  const traced = <T>(events: readonly Envelope[], run: () => Promise<T>) =>
    observer.publishing ? observer.publishing(events, run) : run()

  async function intoOutbox(trx: Trx, events: readonly Envelope[]): Promise<readonly Published[]> {
    if (!outbox) throw new EventError('EVENT_SUBSCRIPTION_INVALID', 'publishing with trx needs an outbox')
    await outbox.add(trx, events)
    return events.map(({ id }) => ({ id, entryId: undefined }))
  }

  async function append(events: readonly Envelope[]): Promise<readonly Published[]> {
    const outcomes = await publisher.append(events)
    const error = errorOf(events, outcomes)
    if (error) throw error
    return events.map(({ id }, at) => {
      const outcome = outcomes[at]
      return { id, entryId: outcome?.ok ? outcome.entryId : undefined }
    })
  }

  /** Only a transactional subscription is called with a transaction; the compiler has seen to the handlers of others. */
  function declare(
    contracts: StreamContract | readonly StreamContract[],
    given: SubscribeOptions,
    batched: boolean,
    handler: BatchHandler<EventContract, TransactionContext<Trx>>,
  ): void {
    const list = (Array.isArray(contracts) ? contracts : [contracts]) as readonly StreamContract[]
    const handle =
      given.transactional && inbox ? inTransaction(inbox, handler) : (handler as BatchHandler<EventContract>)
    const hasInbox = inbox !== undefined
    pool.add(declareSubscription(service, list, given, { batched, hasInbox, handle }))
  }

  return {
    service,
    get subscriptions() {
      return pool.subscriptions
    },
    async publish(contract, data, { trx, ...given } = {}) {
      const event = compose(contract, data, attributes(given), composing)
      if (contract.delivery === 'broadcast') {
        if (limits.admit(contract.name, contract.maxPerSecond)) {
          await traced([event], () => publisher.broadcast(event))
        } else observer.dropped?.(contract.name)
        return { id: event.id, entryId: undefined }
      }
      const send = () => (trx === undefined ? append([event]) : intoOutbox(trx, [event]))
      const [published] = await traced([event], send)
      return published as Published
    },
    async publishMany(contract, data, { trx, idOf, ...given } = {}) {
      const shared = attributes(given)
      const events = data.map((one, index) =>
        compose(contract, one, idOf ? { ...shared, id: idOf(one, index) } : shared, composing),
      )
      return traced(events, () => (trx === undefined ? append(events) : intoOutbox(trx, events)))
    },
    forward: (events) => publisher.append(events),
    safe: (event, entryId) => streams.safe(publisher.tagOf(event), entryId),
    subscribe(contracts, given, handle) {
      const one = handle as Handler<EventContract, TransactionContext<Trx>>
      declare(contracts, given, false, ([event], context) => one(event as ReceivedEvent, context))
    },
    subscribeBatch(contracts, given, handle) {
      declare(contracts, given, true, handle as BatchHandler<EventContract, TransactionContext<Trx>>)
    },
    deadLetters: createDeadLetters({ service, streams, store, audit, now }),
    parked: (subscription) => listParked(`${service}.${subscription}`, streams, store),
    pause: (subscription) => setPaused(subscription, true),
    resume: (subscription) => setPaused(subscription, false),
    replay(asked) {
      const subscription = pool.subscriptions.find(({ name }) => name === asked.subscription)
      return planReplay(subscription, asked, {
        service,
        streams,
        jobs,
        archive: options.archive,
        shards,
        now,
        newId,
      })
    },
    replays: async () => (await jobs.list()).filter((job) => job.service === service),
    async cancelReplay(id) {
      const job = (await jobs.list()).find((one) => one.id === id && one.service === service)
      if (!job || !(await jobs.end(id, 'cancelled'))) return false
      for (const { tag } of job.parts) await streams.operate(tag, job.group).remove()
      return true
    },
    health: () => subscriptionsHealth(service, streams, store),
    listen: (contract, handle) => listeners.add(contract, handle as (event: ReceivedEvent) => unknown),
    async start() {
      await listeners.start()
      await pool.start()
    },
    async close(deadlineMs = 10_000) {
      await listeners.stop()
      return pool.stop(now() + deadlineMs)
    },
  }
}
