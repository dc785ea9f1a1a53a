import { type ValueError, ValueErrorType } from '@sinclair/typebox/value'
import { type AnyElysia, Elysia, NotFoundError, ParseError, ValidationError } from 'elysia'
import { AppError, type FieldError } from '../errors.ts'
import { EventError } from '../events/errors.ts'
import { currentRequest } from './request-context.ts'
import { routeTable } from './route-table.ts'

/** How an error code is answered. */
export interface Problem {
  readonly status: number
  /** A short summary that does not change from one occurrence to the next. */
  readonly title: string
}

/** The codes that the plugins of this package give, and their answers. */
export const sharedProblems = {
  BODY_INVALID: { status: 400, title: 'Body cannot be read' },
  UNAUTHENTICATED: { status: 401, title: 'Not authenticated' },
  FORBIDDEN: { status: 403, title: 'Not allowed' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed' },
  BODY_TOO_SLOW: { status: 408, title: 'Body too slow' },
  BODY_TOO_LARGE: { status: 413, title: 'Body too large' },
  HOST_INVALID: { status: 400, title: 'Host invalid' },
  URI_TOO_LONG: { status: 414, title: 'URL too long' },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, title: 'Media type not supported' },
  CONTENT_ENCODING_UNSUPPORTED: { status: 415, title: 'Content encoding not supported' },
  VALIDATION_FAILED: { status: 422, title: 'Validation failed' },
  ADDRESS_REFUSED: { status: 422, title: 'Address refused' },
  REQUEST_ABANDONED: { status: 499, title: 'Request abandoned' },
  RATE_LIMITED: { status: 429, title: 'Too many requests' },
  IDEMPOTENCY_KEY_MISSING: { status: 400, title: 'Idempotency key missing' },
  IDEMPOTENCY_KEY_INVALID: { status: 400, title: 'Idempotency key invalid' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'Idempotency key reused' },
  IDEMPOTENCY_IN_PROGRESS: { status: 409, title: 'Request in progress' },
  IDEMPOTENCY_ANSWER_LOST: { status: 409, title: 'Answer lost' },
  INTERNAL_ERROR: { status: 500, title: 'Internal error' },
  SERVICE_BUSY: { status: 503, title: 'Service busy' },
  REQUEST_TIMEOUT: { status: 503, title: 'Request took too long' },
  DATABASE_UNAVAILABLE: { status: 503, title: 'Database unavailable' },
  DATABASE_TIMEOUT: { status: 503, title: 'Database too slow' },
  DEPENDENCY_UNAVAILABLE: { status: 503, title: 'Dependency unavailable' },
  DEPENDENCY_BUSY: { status: 503, title: 'Dependency busy' },
  DEPENDENCY_TIMEOUT: { status: 504, title: 'Dependency too slow' },
  DEPENDENCY_ANSWER_INVALID: { status: 502, title: 'Dependency answers wrongly' },
  EVENT_UNKNOWN: { status: 404, title: 'Event unknown' },
  EVENT_SUBSCRIPTION_INVALID: { status: 422, title: 'Subscription invalid' },
  EVENT_NOT_SENT: { status: 503, title: 'Event not sent' },
  EVENT_NOT_CONFIRMED: { status: 503, title: 'Event not confirmed' },
  EVENT_STREAM_FULL: { status: 503, title: 'Event stream full' },
  EVENTS_UNAVAILABLE: { status: 503, title: 'Event server unavailable' },
} as const satisfies Record<string, Problem>

export type SharedErrorCode = keyof typeof sharedProblems

/** An expected failure that this package's own plugins throw. */
export class SharedError extends AppError<SharedErrorCode> {}

const maxInstanceLength = 500

/** The body of every error answer: RFC 9457, `application/problem+json`. */
export interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly instance: string
  readonly correlation_id: string | null
  readonly errors?: readonly FieldError[]
}

/**
 * Turns every error into one `application/problem+json` answer. Mount it before the modules.
 *
 * Only an `AppError`, or an event's own error, speaks to the caller. Anything else is answered 500 without its message, and given to `report`
 * once, with its cause.
 *
 * @param problems how each code is answered; a code that is missing there is answered 500.
 * @param report told of every answer of 500 and above.
 */
export function problemErrors({
  problems,
  report,
}: {
  problems: Readonly<Record<string, Problem>>
  report: (error: unknown, code: string) => void
}) {
  return <App extends AnyElysia>(app: App): App => {
    const routes = routeTable(app)
    app.use(
      new Elysia({ name: 'problem-errors' }).onError({ as: 'global' }, ({ error, request }) => {
        const failure = asAppError(error, request, routes.methodsOf)
        const problem = problems[failure.code] ?? sharedProblems.INTERNAL_ERROR
        if (problem.status >= 500) report(error, failure.code)
        return problemResponse(failure, problem, request)
      }),
    )
    return app
  }
}

/** One error as an answer, for what is refused before any route is asked. */
export function problemResponse(failure: AppError, { status, title }: Problem, request: Request): Response {
  const details: ProblemDetails = {
    type: 'about:blank',
    title,
    status,
    code: failure.code,
    detail: failure.message,
    // No URL where `Host` is no host.
    instance: (URL.parse(request.url)?.pathname ?? '/').slice(0, maxInstanceLength),
    correlation_id: currentRequest()?.correlationId ?? null,
    ...(failure.errors.length > 0 && { errors: failure.errors }),
  }
  return new Response(JSON.stringify(details), {
    status,
    headers: { 'content-type': 'application/problem+json', ...failure.headers },
  })
}

function asAppError(
  error: unknown,
  request: Request,
  methodsOf: (path: string) => readonly string[],
): AppError {
  if (error instanceof AppError) return error
  if (error instanceof EventError && error.code in sharedProblems)
    return new SharedError(error.code as SharedErrorCode, error.message, { cause: error })
  if (error instanceof ParseError && error.cause instanceof AppError) return error.cause
  if (error instanceof ParseError) return new SharedError('BODY_INVALID', 'The body cannot be read')
  if (error instanceof ValidationError) return validationFailure(error)
  if (error instanceof NotFoundError) {
    const allow = methodsOf(new URL(request.url).pathname)
    if (allow.length === 0) return new SharedError('NOT_FOUND', 'There is nothing at this path')
    const headers = { allow: allow.join(', ') }
    return new SharedError('METHOD_NOT_ALLOWED', 'This path does not take this method', { headers })
  }
  return new SharedError('INTERNAL_ERROR', 'An unexpected error happened', { cause: error })
}

/** A response that does not fit its schema is our fault, not the caller's. */
function validationFailure(error: ValidationError): SharedError {
  if (error.type === 'response') {
    return new SharedError('INTERNAL_ERROR', 'An unexpected error happened', { cause: error })
  }
  const errors = fieldErrors(error)
  return new SharedError('VALIDATION_FAILED', `The ${sources[error.type] ?? error.type} is not valid`, {
    errors,
  })
}

const sources: Readonly<Record<string, string>> = { params: 'path', headers: 'header' }

function fieldErrors(error: ValidationError): FieldError[] {
  const seen = new Map<string, FieldError>()
  for (const issue of error.all) {
    if (!('path' in issue) || seen.size >= 20) continue
    const path = String(issue.path).slice(0, 200)
    if (!seen.has(path)) seen.set(path, { path, message: messageOf(issue) })
  }
  return [...seen.values()]
}

/** TypeBox knows nothing to say about a kind of our own; all of them are numbers within limits. */
function messageOf({ type, schema, message }: Partial<ValueError>): string {
  if (type === ValueErrorType.Kind && schema?.maximum !== undefined)
    return `Expected integer from ${schema.minimum} to ${schema.maximum}`
  return message ?? 'is not valid'
}
