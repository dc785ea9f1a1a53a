import { EventError, PermanentError } from '../errors.ts'
import type { Outcome } from '../observer.ts'
import { backoffMs } from '../retry.ts'
import { type Move, type MoveOutcome, NOTE } from '../transport.ts'
import type { Subscription } from './subscription.ts'

const MAX_ERROR_LENGTH = 1000
const MAX_STACK_LENGTH = 4000

/** Why an entry is where it is; `reason` is an error code or one of ours, stable enough to filter by. */
export function failureNotes(
  reason: string,
  error: unknown,
  attempts: number,
  now: number,
): Record<string, string> {
  const message = error instanceof Error ? error.message : String(error)
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return {
    [NOTE.attempts]: String(attempts),
    [NOTE.reason]: reason,
    [NOTE.error]: message.slice(0, MAX_ERROR_LENGTH),
    [NOTE.stack]: stack.slice(0, MAX_STACK_LENGTH),
    [NOTE.failedAt]: new Date(now).toISOString(),
  }
}

/** Decides where an event goes whose handler failed. `attempt` counts the one that failed. */
export function fateOf(
  { attempt, key }: { readonly attempt: number; readonly key: string },
  error: unknown,
  { attempts, backoff, ordered, onDeadLetter }: Subscription,
  { now, random }: { readonly now: number; readonly random: () => number },
): Move {
  const permanent = error instanceof PermanentError
  const reason = permanent ? 'permanent' : error instanceof EventError ? error.code : 'failed'
  const notes = failureNotes(reason, error, attempt, now)
  const held = ordered ? { key } : {}
  if (permanent || attempt >= attempts) {
    return { to: 'dead', notes, ...held, keyThen: onDeadLetter === 'hold' ? 'hold' : 'release' }
  }
  return { to: 'due', notes, delayMs: backoffMs(attempt, backoff, random), ...held, keyThen: 'hold' }
}

/** What became of a delivery, in the words of metrics. */
export function outcomeOf(move: Move, outcome: MoveOutcome): Outcome {
  if (outcome === 'lost') return 'lost'
  return move.to === 'due' ? 'retried' : move.to
}
