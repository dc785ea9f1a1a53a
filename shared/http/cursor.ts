import { SharedError } from './problem-errors.ts'

/** An opaque place in a list: the sort values of the last item shown. */
export function encodeCursor(values: readonly number[]): string {
  return btoa(values.join('.')).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/**
 * The sort values of a cursor.
 *
 * @throws {SharedError} `VALIDATION_FAILED` for anything that `encodeCursor` did not make of `length` values.
 */
export function decodeCursor(cursor: string, length: number): readonly number[] {
  const values = /^[\w-]+$/.test(cursor) ? decode(cursor).split('.') : []
  if (values.length !== length || !values.every((value) => /^\d{1,15}$/.test(value))) {
    const errors = [{ path: '/cursor', message: 'is not a cursor of this list' }]
    throw new SharedError('VALIDATION_FAILED', 'The query is not valid', { errors })
  }
  return values.map(Number)
}

function decode(cursor: string): string {
  try {
    return atob(cursor.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return ''
  }
}
