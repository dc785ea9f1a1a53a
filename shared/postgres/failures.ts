import pg from 'pg'
import { AppError } from '../errors.ts'

/** SQLSTATE classes and codes that say: this server cannot serve us now. */
const unavailable = /^(08...|53300|57P0[1-5]|25P03|58...)$/

/**
 * What went wrong with a statement, as the caller should know it.
 *
 * @returns an `AppError` where the database is away (`DATABASE_UNAVAILABLE`) or too slow (`DATABASE_TIMEOUT`); the error
 * itself where it is about the statement, such as a violated constraint.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function asDatabaseFailure(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) {
    if (error.code === '57014') return timeout(error)
    return unavailable.test(error.code ?? '') ? away(error) : error
  }
  if (!(error instanceof Error) || isOurOwn(error)) return error
  return error.message === 'Query read timeout' ? timeout(error) : away(error)
}

/** Such as a bigint that does not fit: pg wraps none of what its type parsers and our code throw. */
function isOurOwn(error: Error): boolean {
  return error instanceof AppError || error instanceof RangeError || error instanceof TypeError
}

/** True where the connection has ended, is about to, or does not answer: what it is given next would fail as well. */
export function isConnectionLost(error: unknown): boolean {
  const isCancelled = error instanceof pg.DatabaseError && error.code === '57014'
  return asDatabaseFailure(error) !== error && !isCancelled
}

/** True for what `asDatabaseFailure` gives where the database did not answer. */
export function isDatabaseFailure(error: unknown): boolean {
  return (
    error instanceof AppError && (error.code === 'DATABASE_UNAVAILABLE' || error.code === 'DATABASE_TIMEOUT')
  )
}

/** True where a migration changed the columns under a prepared statement. */
export function isPlanChanged(error: unknown): boolean {
  return (
    error instanceof pg.DatabaseError && error.code === '0A000' && error.routine === 'RevalidateCachedQuery'
  )
}

/** The unique constraint that a statement violated. */
export function violatedConstraint(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError && error.code === '23505' ? error.constraint : undefined
}

function away(cause: unknown): AppError {
  return new AppError('DATABASE_UNAVAILABLE', 'The database cannot be reached', {
    cause,
    headers: { 'retry-after': '1' },
  })
}

function timeout(cause: unknown): AppError {
  return new AppError('DATABASE_TIMEOUT', 'The database did not answer in time', {
    cause,
    headers: { 'retry-after': '1' },
  })
}
