import { type Buildable, type CompiledStatement, compiled, type Executor } from './compiled.ts'

/** Begins the statement of every write that may wait for the commit. A comment to PostgreSQL. */
export const atCommitMark = '/* at commit */ '

/**
 * A write whose result nobody needs: a `compiled` statement that, inside a transaction, is kept back and sent together with
 * its commit, in one packet: one trip to the server less, and its locks are held for that much less time.
 *
 * It answers at once with no rows. What it fails with, the commit fails with, and nothing of the transaction is kept. What
 * reads in the same transaction does not see it. It is sent before the next savepoint, and not at all where it is rolled
 * back. Outside a transaction, and on another dialect than `connectDatabase`'s, it is a statement like any other.
 *
 * ```ts
 * const note = atCommit((db: Kysely<Schema>, row: Insertable<NoteTable>) => db.insertInto('notes').values(row))
 * await note(trx, { order_id: 42, text: 'placed' })
 * ```
 */
export function atCommit<Db extends Executor, Args extends readonly unknown[]>(
  build: (db: Db, ...args: Args) => Buildable<unknown>,
): CompiledStatement<Db, Args, never> {
  const write = compiled(build, atCommitMark)
  return async (db, ...args) => {
    await write(db, ...args)
    return []
  }
}
