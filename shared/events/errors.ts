/** Where a value broke its schema, as a JSON Pointer, and what was expected there. Never the value itself. */
export interface Issue {
  readonly path: string
  readonly message: string
}

/** Written by hand and stable: users and metrics switch on them. */
export type EventErrorCode =
  | 'EVENT_INVALID'
  | 'EVENT_NOT_SENT'
  | 'EVENT_NOT_CONFIRMED'
  | 'EVENT_STREAM_FULL'
  | 'EVENT_UNDECODABLE'
  | 'EVENT_VERSION_UNKNOWN'
  | 'EVENT_HANDLER_TIMEOUT'
  | 'EVENT_CRASHED'
  | 'EVENT_DEFINITION_INVALID'
  | 'EVENT_SUBSCRIPTION_INVALID'
  | 'EVENT_UNKNOWN'
  | 'EVENTS_CLOSED'
  | 'EVENT_TRANSACTION_CLOSED'

/** Every error this package makes is one of these; `code` tells them apart across package copies. */
export class EventError extends Error {
  override readonly name: string = 'EventError'
  readonly code: EventErrorCode

  constructor(code: EventErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The data or its attributes do not fit the contract; nothing was sent. */
export class EventInvalidError extends EventError {
  override readonly name = 'EventInvalidError'
  readonly type: string
  readonly issues: readonly Issue[]

  constructor(type: string, issues: readonly Issue[]) {
    const where = issues.map(({ path, message }) => `${path || '/'}: ${message}`).join('; ')
    super('EVENT_INVALID', `${type} does not fit its contract: ${where}`)
    this.type = type
    this.issues = issues
  }
}

/** The event was never written: publishing it again, with or without the same id, cannot double it. */
export class EventNotSentError extends EventError {
  override readonly name = 'EventNotSentError'
  readonly ids: readonly string[]

  constructor(ids: readonly string[], options: ErrorOptions) {
    super(
      'EVENT_NOT_SENT',
      'the event was not sent: the event server cannot be reached or refused it',
      options,
    )
    this.ids = ids
  }
}

/** The event was written and no reply came: it may have arrived. Publish it again with the same `ids`. */
export class EventNotConfirmedError extends EventError {
  override readonly name = 'EventNotConfirmedError'
  readonly ids: readonly string[]

  constructor(ids: readonly string[], options?: ErrorOptions) {
    super('EVENT_NOT_CONFIRMED', 'the event was sent without a confirmation: it may have arrived', options)
    this.ids = ids
  }
}

/** The stream is at its cap and nothing in it may be trimmed yet; the event was not written. */
export class EventStreamFullError extends EventError {
  override readonly name = 'EventStreamFullError'
  readonly stream: string

  constructor(stream: string) {
    super('EVENT_STREAM_FULL', `${stream} is at its cap and a subscription still needs its oldest entries`)
    this.stream = stream
  }
}

/** What arrived is not a CloudEvent this package can read. */
export class EventUndecodableError extends EventError {
  override readonly name = 'EventUndecodableError'

  constructor(reason: string, options?: ErrorOptions) {
    super('EVENT_UNDECODABLE', reason, options)
  }
}

/** What arrived has a version newer than this program knows: it is parked, not failed. */
export class EventVersionUnknownError extends EventError {
  override readonly name = 'EventVersionUnknownError'

  constructor(type: string, version: number, known: number) {
    super('EVENT_VERSION_UNKNOWN', `${type} arrived in version ${version}; the newest known here is ${known}`)
  }
}

/** A handler was still running after its `timeoutMs`. */
export class HandlerTimeoutError extends EventError {
  override readonly name = 'HandlerTimeoutError'

  constructor(timeoutMs: number) {
    super('EVENT_HANDLER_TIMEOUT', `the handler did not finish within ${timeoutMs} ms`)
  }
}

/** Thrown by a handler: retrying cannot help, so the event goes to the dead letters at once. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError'
}

/** Thrown by a handler: something it depends on is down. The subscription pauses and the event spends no attempt. */
export class DependencyError extends Error {
  override readonly name = 'DependencyError'
}

/**
 * Thrown by a batch handler: these events failed, by event id; every other event of the batch succeeded. In a transactional
 * subscription all are rolled back, and the others handled again without these.
 */
export class BatchError extends Error {
  override readonly name = 'BatchError'
  readonly failures: readonly { readonly id: string; readonly error: unknown }[]

  constructor(failures: readonly { readonly id: string; readonly error: unknown }[]) {
    super(`${failures.length} event(s) of the batch failed`)
    this.failures = failures
  }
}

const DATABASE_AWAY: readonly unknown[] = ['DATABASE_UNAVAILABLE', 'DATABASE_TIMEOUT']

/** True for what a database throws that cannot be reached or does not answer in time, by its code. */
export function isDatabaseAway(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DATABASE_AWAY.includes(error.code)
}
