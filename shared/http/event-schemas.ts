import { type Static, Type } from '@sinclair/typebox'
import { t } from 'elysia'
import type { DeadLetter } from '../events/dead-letters.ts'
import type { SubscriptionHealth } from '../events/health.ts'
import type { ReplayJob } from '../events/replay-jobs.ts'
import { Nullable, OneOf } from '../schema.ts'

const Time = Type.String({ format: 'date-time' })
const Name = Type.String({ minLength: 1, maxLength: 64 })
const EventName = Type.String({ minLength: 3, maxLength: 100 })
const Rate = Type.Integer({ minimum: 1, maximum: 10_000 })
/** So that an answer comes before the connection counts as idle: 1,000 at the default rate take ten seconds. */
const AtOnce = Type.Integer({ minimum: 1, maximum: 1000 })
const EntryId = Type.String({ pattern: '^\\d{1,15}-\\d{1,20}$' })
const LetterId = Type.String({ pattern: '^[\\w:.-]+/\\d{1,15}-\\d{1,20}$' })

export const SubscriptionParams = Type.Object({ subscription: Name })
export const LetterParams = Type.Object({ subscription: Name, tag: Name, entry: EntryId })
export const ReplayParams = Type.Object({ id: Name })

export const SubscriptionShown = Type.Object({
  subscription: Type.String(),
  paused: Type.Boolean(),
  lag: Type.Integer({ description: 'events not delivered yet' }),
  pending: Type.Integer({ description: 'delivered and not acknowledged' }),
  due: Type.Integer({ description: 'failed and waiting to be tried again' }),
  parked: Type.Integer({ description: 'of a version nobody knows yet' }),
  dead_letters: Type.Integer(),
  oldest_at: Nullable(Time),
  heard_at: Time,
})
export const SubscriptionList = Type.Object({ items: Type.Array(SubscriptionShown) })
export const PausedShown = Type.Object({ subscription: Type.String(), paused: Type.Boolean() })

export const LetterShown = Type.Object({
  id: Type.String(),
  subscription: Type.String(),
  type: Nullable(Type.String()),
  event_id: Nullable(Type.String()),
  reason: Type.String(),
  error: Type.String(),
  attempts: Type.Integer(),
  failed_at: Type.String(),
  origin: Type.String({ description: 'its place in the domain’s stream' }),
})
export const LetterList = Type.Object({ items: Type.Array(LetterShown), next: Nullable(Type.String()) })
/** One letter tells all: the stack, and the event as it arrived. */
export const LetterOpened = Type.Composite([
  LetterShown,
  Type.Object({ stack: Type.String(), fields: Type.Record(Type.String(), Type.String()) }),
])

const filter = {
  type: Type.Optional(EventName),
  error: Type.Optional(
    Type.String({ minLength: 1, maxLength: 200, description: 'the reason, or a part of the message' }),
  ),
  from: Type.Optional(Time),
  to: Type.Optional(Time),
}
export const ListLetters = Type.Object({
  ...filter,
  after: Type.Optional(LetterId),
  limit: t.Integer({ minimum: 1, maximum: 100, default: 20 }),
})
export const ChooseLetters = Type.Object({
  ...filter,
  ids: Type.Optional(Type.Array(LetterId, { minItems: 1, maxItems: 1000 })),
  all: Type.Optional(Type.Boolean({ description: 'needed where neither ids nor a filter say which' })),
  max_count: Type.Optional(AtOnce),
  per_second: Type.Optional(Rate),
})
export type ChooseLetters = Static<typeof ChooseLetters>
export const LettersDone = Type.Object({ count: Type.Integer({ description: 'how many there were' }) })

export const StartReplay = Type.Object({
  subscription: Name,
  events: Type.Optional(Type.Array(EventName, { minItems: 1, maxItems: 50, uniqueItems: true })),
  from: Type.Optional(
    Type.Union([Time, EntryId], { description: 'a time or an entry id, that one included' }),
  ),
  to: Type.Optional(Time),
  last: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'instead of from' })),
  max_count: Type.Optional(Type.Integer({ minimum: 1 })),
  per_second: Type.Optional(Rate),
  dry_run: Type.Optional(Type.Boolean({ description: 'only count' })),
})
export type StartReplay = Static<typeof StartReplay>

export const ReplayShown = Type.Object({
  id: Type.String(),
  subscription: Type.String(),
  events: Type.Array(Type.String()),
  status: OneOf(['running', 'done', 'cancelled', 'dry_run'] as const),
  total: Type.Integer(),
  done: Type.Integer({ description: 'about: saved every second' }),
  per_second: Nullable(Type.Number()),
  created_at: Time,
})
export const ReplayList = Type.Object({ items: Type.Array(ReplayShown) })

export function showSubscription(health: SubscriptionHealth): Static<typeof SubscriptionShown> {
  const { subscription, paused, lag, pending, due, parked, dead, oldestMs, heardAtMs } = health
  const counts = { lag, pending, due, parked, dead_letters: dead }
  const oldest_at = oldestMs === undefined ? null : new Date(oldestMs).toISOString()
  return { subscription, paused, ...counts, oldest_at, heard_at: new Date(heardAtMs).toISOString() }
}

export function showLetter(letter: DeadLetter): Static<typeof LetterOpened> {
  const { id, subscription, type = null, eventId = null, reason, error, attempts, failedAt, origin } = letter
  const shown = {
    id,
    subscription,
    type,
    event_id: eventId,
    reason,
    error,
    attempts,
    failed_at: failedAt,
    origin,
  }
  return { ...shown, stack: letter.stack, fields: { ...letter.fields } }
}

export function showReplay(job: ReplayJob, dryRun = false): Static<typeof ReplayShown> {
  const { id, subscription, events, status, total, done, perSecond = null, createdAtMs } = job
  return {
    id,
    subscription,
    events: [...events],
    status: dryRun ? 'dry_run' : status,
    total,
    done,
    per_second: perSecond,
    created_at: new Date(createdAtMs).toISOString(),
  }
}
