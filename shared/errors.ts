/** One thing that is wrong with what the caller sent. Never carries the submitted value. */
export interface FieldError {
  /** JSON Pointer (RFC 6901) into the body, the query or the path parameters. */
  readonly path: string
  readonly message: string
}

export interface AppErrorOptions extends ErrorOptions {
  /** The fields at fault; shown to the caller. */
  readonly errors?: readonly FieldError[]
  /** Response headers that belong to the error, such as `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * An expected failure with a stable code.
 *
 * The HTTP status of a code is decided in one table, not where the error is thrown. `message` is shown to the caller,
 * `cause` is only logged.
 */
export class AppError<Code extends string = string> extends Error {
  override readonly name = 'AppError'
  readonly code: Code
  readonly errors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>

  constructor(code: Code, message: string, { errors = [], headers = {}, ...options }: AppErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.errors = errors
    this.headers = headers
  }
}
