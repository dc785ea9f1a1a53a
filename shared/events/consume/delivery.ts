import { notedAttempts, originOf, refOf } from '../entry.ts'
import type { EventIdentity } from '../inbox.ts'
import { type Entry, type Move, NOTE } from '../transport.ts'
import { failureNotes } from './fate.ts'
import { receive } from './receive.ts'
import type { Call, Received, Subscription } from './subscription.ts'

/** One entry on its way through this process, from the read to its acknowledgement or move. */
export interface Delivery {
  readonly entry: Entry
  readonly ref: string
  readonly key: string
  /** What the handler gets; absent when `decided` says that no handler is to see it. */
  readonly received: Received | undefined
  readonly decided: Move | 'skip' | undefined
  /** It failed while the subscription waits for a dependency, so the next probe is another one. */
  probed: boolean
  /** The inbox knows it: its handler did not run. */
  duplicate: boolean
}

/**
 * Reads an entry and decides what can be decided without its handler: a type nobody asked for, a version still
 * unknown, what cannot be read, and what has ended its process too often.
 */
export function deliveryOf(
  entry: Entry,
  subscription: Subscription,
  { replay, now }: { readonly replay: boolean; readonly now: number },
): Delivery {
  const earlier = notedAttempts(entry) + entry.deliveries - 1
  const verdict = receive(entry, subscription, replay)
  const base = { entry, ref: refOf(entry), probed: false, duplicate: false }
  const decide = (key: string | undefined, decided: Move): Delivery => ({
    ...base,
    key: key ?? originOf(entry),
    received: undefined,
    decided: key !== undefined && subscription.ordered ? { ...decided, key } : decided,
  })
  const keyThen = subscription.onDeadLetter === 'hold' ? 'hold' : 'release'

  switch (verdict.kind) {
    case 'skip':
      return { ...base, key: originOf(entry), received: undefined, decided: 'skip' }
    case 'park':
      return decide(verdict.key, { to: 'parked', notes: {}, keyThen: 'hold' })
    case 'refuse': {
      const { error, key } = verdict
      return decide(key, { to: 'dead', notes: failureNotes(error.code, error, earlier, now), keyThen })
    }
    case 'handle': {
      const { event } = verdict.received
      if (entry.deliveries === 1 || earlier < subscription.attempts) {
        return { ...base, key: event.key, received: verdict.received, decided: undefined }
      }
      const crashed = new Error(`${earlier} deliveries ended with the process that handled them`)
      return decide(event.key, {
        to: 'dead',
        notes: failureNotes('EVENT_CRASHED', crashed, earlier, now),
        keyThen,
      })
    }
  }
}

/** One call of a handler. Its AbortController is made only when somebody looks at the signal or aborts. */
export class Invocation implements Call {
  readonly group: string
  readonly subscription: string
  readonly deliveries: readonly Delivery[]
  readonly startedAtMs: number
  #controller: AbortController | undefined

  constructor(given: Pick<Invocation, 'group' | 'subscription' | 'deliveries' | 'startedAtMs'>) {
    this.group = given.group
    this.subscription = given.subscription
    this.deliveries = given.deliveries
    this.startedAtMs = given.startedAtMs
  }

  /** What failed in a replay and is redriven was handled by the live group: it goes on under the replay's name. */
  get identities(): readonly EventIdentity[] {
    return this.deliveries.map(({ entry, received }) => ({
      group: entry.fields[NOTE.replay] ?? this.group,
      source: received?.envelope.source ?? '',
      id: received?.envelope.id ?? '',
    }))
  }

  handles(fresh: ReadonlySet<number>): void {
    for (const [index, delivery] of this.deliveries.entries()) delivery.duplicate = !fresh.has(index)
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort(reason: Error): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }
}
