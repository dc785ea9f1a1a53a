import { AppError } from '@kiln/shared/errors'
import { type Problem, sharedProblems } from '@kiln/shared/http'

/** The codes that only this service gives. Clients switch on them: a code is never renamed. */
export const errorCodes = [
  'FIELD_INVALID',
  'USER_NOT_FOUND',
  'EMAIL_TAKEN',
  'TELEGRAM_ID_TAKEN',
  'USER_DEACTIVATED',
  'CANNOT_DEACTIVATE_SELF',
  'CREDENTIALS_INVALID',
  'PASSWORD_INVALID',
  'PASSWORD_TOO_WEAK',
  'PASSWORD_TOKEN_INVALID',
  'REFRESH_TOKEN_INVALID',
  'REFRESH_TOKEN_REUSED',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** An expected failure of this service; `problems` says how HTTP answers it. */
export class ServiceError extends AppError<ErrorCode> {}

/** How each code is answered: a new code does not compile without its status. */
export const problems = {
  ...sharedProblems,
  ...({
    FIELD_INVALID: { status: 422, title: 'Field invalid' },
    USER_NOT_FOUND: { status: 404, title: 'User not found' },
    EMAIL_TAKEN: { status: 409, title: 'E-mail taken' },
    TELEGRAM_ID_TAKEN: { status: 409, title: 'Telegram id taken' },
    USER_DEACTIVATED: { status: 409, title: 'User deactivated' },
    CANNOT_DEACTIVATE_SELF: { status: 409, title: 'Cannot deactivate yourself' },
    CREDENTIALS_INVALID: { status: 401, title: 'Wrong e-mail or password' },
    PASSWORD_INVALID: { status: 403, title: 'Wrong password' },
    PASSWORD_TOO_WEAK: { status: 422, title: 'Password too weak' },
    PASSWORD_TOKEN_INVALID: { status: 401, title: 'Password token invalid' },
    REFRESH_TOKEN_INVALID: { status: 401, title: 'Refresh token invalid' },
    REFRESH_TOKEN_REUSED: { status: 401, title: 'Refresh token reused' },
  } satisfies Record<ErrorCode, Problem>),
}
