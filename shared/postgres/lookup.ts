import { type Buildable, type CompiledStatement, compiled, type Executor } from './compiled.ts'

/** Begins the statement of every lookup: what may share a connection says so itself. A comment to PostgreSQL. */
export const lookupMark = '/* lookup */ '

/**
 * A short read by key, for hot paths: a `compiled` statement that, where several run at the same time, shares connections
 * instead of waiting for one of its own.
 *
 * Because a slow statement delays the lookups behind it, use this for reads by an index that give a few rows, without locks
 * and without functions that change anything. Inside a transaction it runs on the connection of that transaction, like any
 * other statement.
 *
 * ```ts
 * const findUser = lookup((db: Kysely<Schema>, id: number) => db.selectFrom('users').selectAll().where('id', '=', id))
 * const [user] = await findUser(db, 42)
 * ```
 */
export function lookup<Db extends Executor, Keys extends readonly unknown[], Row>(
  build: (db: Db, ...keys: Keys) => Buildable<Row>,
): CompiledStatement<Db, Keys, Row> {
  return compiled(build, lookupMark)
}
