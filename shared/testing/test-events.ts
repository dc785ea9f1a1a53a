import assert from 'node:assert/strict'
import { createEvents } from '../events/client.ts'
import type { contracts } from '../events/contracts/all.ts'
import type { Envelope } from '../events/envelope.ts'
import type { EventContract, PublishData } from '../events/event.ts'
import type { Events, EventsOptions } from '../events/events.ts'
import type { EventObserver } from '../events/observer.ts'
import { silentLogger } from '../events/silent-logger.ts'
import { memoryTransports } from '../events/transports.ts'
import { eventually } from './eventually.ts'

type Known = (typeof contracts)[number]
type Named<C extends EventContract, Name extends string> = Extract<C, { readonly name: Name }>

/** An event as it travelled; `data` is in the version it was published in. */
export interface SeenEvent<Data> {
  readonly id: string
  readonly type: string
  readonly data: Data
  readonly correlationId: string | undefined
  /** Who handled it; undefined for what was only published. */
  readonly subscription: string | undefined
}

export interface WaitOptions {
  /** Wait for so many. Default 1. */
  readonly count?: number
  /** Only what this subscription handled. */
  readonly subscription?: string
  /** Default 5,000. */
  readonly timeoutMs?: number
}

/** Events that live in the test's process, and what went through them. */
export interface TestEvents<C extends EventContract = Known, Trx = never> extends Events<Trx> {
  /** Everything of a name published so far, oldest first. */
  published<Name extends C['name']>(name: Name): readonly SeenEvent<PublishData<Named<C, Name>>>[]
  /**
   * Waits until events of a name were handled with success, and gives them, oldest first.
   *
   * @throws when they were not within `timeoutMs`, saying what was handled instead.
   */
  consumed<Name extends C['name']>(
    name: Name,
    options?: WaitOptions,
  ): Promise<readonly SeenEvent<PublishData<Named<C, Name>>>[]>
}

/**
 * In-memory events for a service's own tests. Start them once the subscriptions are declared, close them at the end.
 *
 * ```ts
 * const events = testEvents()
 * await events.consumed('user.created')
 * ```
 *
 * Transactional handlers are tested with the real thing: `testEvents({ inbox: postgresInbox(db) })`. What was consumed is
 * committed then.
 */
export function testEvents<C extends EventContract = Known, Trx = never>(
  options: Partial<Omit<EventsOptions<Trx>, 'observer'>> = {},
): TestEvents<C, Trx> {
  const published: SeenEvent<unknown>[] = []
  const consumed: SeenEvent<unknown>[] = []
  const observer: EventObserver = {
    async publishing(events, run) {
      const result = await run()
      published.push(...events.map((event) => seen(event, undefined)))
      return result
    },
    async handling(subscription, events, run) {
      await run()
      consumed.push(...events.map((event) => seen(event, subscription)))
    },
  }
  const events = createEvents<Trx>({
    service: 'test',
    transports: memoryTransports(),
    logger: silentLogger,
    ...options,
    observer,
  })
  return Object.assign(Object.create(events) as Events<Trx>, {
    published: (name: string) => published.filter(({ type }) => type === name),
    consumed(name: string, { count = 1, subscription, timeoutMs = 5000 }: WaitOptions = {}) {
      const found = () =>
        consumed.filter((one) => one.type === name && (!subscription || one.subscription === subscription))
      return eventually(
        () => {
          const handled =
            consumed.map(({ type, subscription }) => `${type} by ${subscription}`).join(', ') || 'nothing'
          assert.ok(
            found().length >= count,
            `${found().length} of ${count} ${name} were consumed; so far: ${handled}`,
          )
          return found()
        },
        { timeoutMs },
      )
    },
  }) as TestEvents<C, Trx>
}

function seen(event: Envelope, subscription: string | undefined): SeenEvent<unknown> {
  const { id, type, correlationid } = event
  return { id, type, data: JSON.parse(event.data), correlationId: correlationid, subscription }
}
