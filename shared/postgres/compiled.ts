import type { CompiledQuery, QueryExecutorProvider, QueryResult } from 'kysely'

class Placeholder {
  readonly argument: number
  readonly column: string | undefined

  constructor(argument: number, column?: string) {
    this.argument = argument
    this.column = column
  }

  in(args: readonly unknown[]): unknown {
    const argument = args[this.argument]
    return this.column === undefined ? argument : (argument as Record<string, unknown>)[this.column]
  }
}

/** What Kysely can compile: a query, or a text of `sql`. */
export interface Buildable<Row> {
  compile(db: QueryExecutorProvider): CompiledQuery<Row>
}

/** A database or a transaction of Kysely, whatever its schema. */
export interface Executor extends QueryExecutorProvider {
  executeQuery<Row>(query: CompiledQuery<Row>): Promise<QueryResult<Row>>
}

/** A statement, and how the values of a call come into it. */
export type CompiledStatement<Db extends Executor, Args extends readonly unknown[], Row> = (
  db: Db,
  ...args: Args
) => Promise<readonly Row[]>

/**
 * A statement of a hot path: Kysely builds and compiles it once, which is the larger part of what a short statement costs
 * here; each call brings its values.
 *
 * `build` sees placeholders in place of `args`, and a row of placeholders in place of a row: it may hand them to Kysely, and
 * nothing else. Every row must have the columns of the first.
 *
 * ```ts
 * const insertOrder = compiled((db: Kysely<Schema>, row: Insertable<OrderTable>) => db.insertInto('orders').values(row))
 * await insertOrder(trx, { customer_id: 42, note: null })
 * ```
 *
 * @param build must not depend on plugins of a database: what it compiled for the first is used with all.
 * @param mark a comment that begins the statement.
 * @returns the statement; it throws {TypeError} for a row with other columns than the first.
 */
export function compiled<Db extends Executor, Args extends readonly unknown[], Row>(
  build: (db: Db, ...args: Args) => Buildable<Row>,
  mark = '',
): CompiledStatement<Db, Args, Row> {
  let statement: CompiledQuery<Row> | undefined
  let shapes: readonly (readonly string[] | undefined)[] = []

  const compile = (db: Db, args: Args): CompiledQuery<Row> => {
    const query = build(db, ...(args.map(placeholdersFor) as unknown as Args)).compile(db)
    shapes = args.map((value) => (isRow(value) ? Object.keys(value) : undefined))
    return { ...query, sql: mark + query.sql }
  }

  return async (db, ...args) => {
    statement ??= compile(db, args)
    for (const [at, columns] of shapes.entries()) if (columns) assertShape(args[at], columns)
    const parameters = statement.parameters.map((value) =>
      value instanceof Placeholder ? value.in(args) : value,
    )
    const { rows } = await db.executeQuery<Row>({ ...statement, parameters })
    return rows
  }
}

function placeholdersFor(value: unknown, argument: number): unknown {
  if (!isRow(value)) return new Placeholder(argument)
  return Object.fromEntries(Object.keys(value).map((column) => [column, new Placeholder(argument, column)]))
}

function isRow(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** What the statement does not name would be left out in silence. */
function assertShape(row: unknown, columns: readonly string[]): void {
  const given = Object.keys(row as object)
  if (given.length !== columns.length || !columns.every((column) => Object.hasOwn(row as object, column)))
    throw new TypeError(`a compiled statement takes the columns ${columns}, not ${given}`)
}
