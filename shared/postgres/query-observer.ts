import { atCommitMark } from './at-commit.ts'
import { lookupMark } from './lookup.ts'

/** A statement, its parameters left out. */
export interface Statement {
  readonly sql: string
  /** `SELECT`, `BEGIN`; `_OTHER` for what is not one of the usual. */
  readonly operation: string
  /** The operation and its first table, `INSERT users`. */
  readonly summary: string
}

/** A statement that was answered, or failed. Times are those of `performance.now()`. */
export interface EndedQuery {
  readonly statement: Statement
  readonly startedAtMs: number
  readonly endedAtMs: number
  /** How much of that was waiting for a connection. */
  readonly waitedMs: number
  readonly error: unknown
}

/** Told about every statement, within the work that asked for it. Must not throw. */
export type QueryObserver = (query: EndedQuery) => void

const operations = new Set([
  ...[
    'SELECT',
    'INSERT',
    'UPDATE',
    'DELETE',
    'MERGE',
    'WITH',
    'COPY',
    'CALL',
    'SET',
    'SHOW',
    'LOCK',
    'NOTIFY',
  ],
  ...['BEGIN', 'START', 'COMMIT', 'ROLLBACK', 'SAVEPOINT', 'RELEASE', 'CREATE', 'ALTER', 'DROP', 'TRUNCATE'],
])
const firstTable = /\b(?:from|into|update|table|merge into)\s+(?:only\s+)?"?([a-z_][\w$]*)"?/i
/** Of a statement that begins with WITH: what it does first, and to which table. */
const firstChange = /^\s*with\b.*?\b(insert|update|delete|merge)\s+(?:into\s+|from\s+)?"?([a-z_][\w$]*)/is
const marks = [lookupMark, atCommitMark]
const maxStatements = 500
const statements = new Map<string, Statement>()

/** What can be said of a statement, found out once. */
export function statementOf(sql: string): Statement {
  const known = statements.get(sql)
  if (known !== undefined) return known
  const mark = marks.find((mark) => sql.startsWith(mark)) ?? ''
  const text = sql.slice(mark.length)
  const change = firstChange.exec(text)
  const word = (change?.[1] ?? /^\s*(\w+)/.exec(text)?.[1] ?? '').toUpperCase()
  const operation = operations.has(word) ? word : '_OTHER'
  const table = change?.[2] ?? firstTable.exec(text)?.[1]
  const statement = {
    sql: text,
    operation,
    summary: table === undefined ? operation : `${operation} ${table}`,
  }
  if (statements.size < maxStatements) statements.set(sql, statement)
  return statement
}
