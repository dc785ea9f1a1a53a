import { type Envelope, toFields, toStructured } from './envelope.ts'
import { type EventError, EventNotConfirmedError, EventNotSentError, EventStreamFullError } from './errors.ts'
import type { EventObserver } from './observer.ts'
import { type Shards, tagOfEvent } from './tags.ts'
import {
  type AppendOutcome,
  type AppendRun,
  type BroadcastTransport,
  MAX_APPENDED,
  type StreamTransport,
} from './transport.ts'

interface Waiting {
  readonly envelope: Envelope
  readonly resolve: (outcome: AppendOutcome) => void
}

/** What is published under one tag in one turn of the event loop. */
interface Turn {
  waiting: Waiting[]
  /** There when some of it has been sent. */
  run: AppendRun | undefined
}

export interface PublisherOptions {
  readonly streams: StreamTransport
  readonly broadcasts: BroadcastTransport
  readonly shards: Shards
  readonly observer: EventObserver
}

/** Sends what is composed. What is published in one turn of the event loop travels together, a hundred events at a time. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #turns = new Map<string, Turn>()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** One outcome per event, in their order; never rejects. */
  async append(envelopes: readonly Envelope[]): Promise<readonly AppendOutcome[]> {
    const [only] = envelopes
    return only && envelopes.length === 1
      ? [await this.#enqueue(only)]
      : await Promise.all(envelopes.map((envelope) => this.#enqueue(envelope)))
  }

  /** @throws {EventNotSentError | EventNotConfirmedError} */
  async broadcast(envelope: Envelope): Promise<void> {
    const { broadcasts, observer } = this.#options
    const startedAt = performance.now()
    try {
      await broadcasts.send(envelope.type, toStructured(envelope))
    } catch (cause) {
      observer.publishFailed?.(envelope.type, 1, 'EVENT_NOT_SENT')
      throw new EventNotSentError([envelope.id], { cause })
    }
    observer.published?.(envelope.type, 1, performance.now() - startedAt)
  }

  tagOf(envelope: Envelope): string {
    return tagOfEvent(envelope, this.#options.shards)
  }

  #enqueue(envelope: Envelope): Promise<AppendOutcome> {
    return new Promise((resolve) => {
      const tag = this.tagOf(envelope)
      const turn = this.#turns.get(tag) ?? this.#beginTurn(tag)
      turn.waiting.push({ envelope, resolve })
      if (turn.waiting.length < MAX_APPENDED) return
      turn.run ??= new Map()
      this.#send(tag, turn)
    })
  }

  #beginTurn(tag: string): Turn {
    const turn: Turn = { waiting: [], run: undefined }
    this.#turns.set(tag, turn)
    queueMicrotask(() => {
      this.#turns.delete(tag)
      if (turn.waiting.length > 0) this.#send(tag, turn)
    })
    return turn
  }

  #send(tag: string, turn: Turn): void {
    const batch = turn.waiting
    turn.waiting = []
    const startedAt = performance.now()
    const entries = batch.map(({ envelope }) => toFields(envelope))
    void this.#options.streams.append(tag, entries, turn.run).then((outcomes) => {
      this.#count(batch, outcomes, performance.now() - startedAt)
      for (const [at, { resolve }] of batch.entries()) resolve(outcomes[at] ?? { ok: false, sent: 'maybe' })
    })
  }

  /** Neighbours of one type and fate are told together. */
  #count(batch: readonly Waiting[], outcomes: readonly AppendOutcome[], durationMs: number): void {
    const { observer } = this.#options
    if (!observer.published && !observer.duplicated && !observer.publishFailed) return
    let count = 0
    for (const [at, { envelope }] of batch.entries()) {
      const { type } = envelope
      count++
      const fate = fateOf(outcomes[at])
      if (batch[at + 1]?.envelope.type === type && fateOf(outcomes[at + 1]) === fate) continue
      if (fate === 'new') observer.published?.(type, count, durationMs)
      else if (fate === 'duplicate') observer.duplicated?.(type, count)
      else observer.publishFailed?.(type, count, fate)
      count = 0
    }
  }
}

function fateOf(outcome: AppendOutcome | undefined): string {
  if (!outcome) return 'EVENT_NOT_CONFIRMED'
  if (outcome.ok) return outcome.duplicate ? 'duplicate' : 'new'
  return { no: 'EVENT_NOT_SENT', maybe: 'EVENT_NOT_CONFIRMED', full: 'EVENT_STREAM_FULL' }[outcome.sent]
}

/** The one error of several outcomes, the least certain first; undefined when all arrived. */
export function errorOf(
  envelopes: readonly Envelope[],
  outcomes: readonly AppendOutcome[],
): EventError | undefined {
  if (outcomes.length === envelopes.length && outcomes.every(({ ok }) => ok)) return undefined
  const failed = (sent: string) =>
    envelopes.filter((_, at) => {
      const outcome = outcomes[at]
      return outcome && !outcome.ok && outcome.sent === sent
    })
  const causeOf = (sent: string) => {
    const first = outcomes.find((outcome) => !outcome.ok && outcome.sent === sent)
    return { cause: first && !first.ok ? first.cause : undefined }
  }
  const ids = (which: readonly Envelope[]) => which.map(({ id }) => id)
  const unconfirmed = failed('maybe')
  if (unconfirmed.length > 0)
    return new EventNotConfirmedError(ids([...unconfirmed, ...failed('no')]), causeOf('maybe'))
  const full = failed('full')
  if (full[0]) return new EventStreamFullError(full[0].type)
  const unsent = failed('no')
  return unsent.length > 0 ? new EventNotSentError(ids(unsent), causeOf('no')) : undefined
}
