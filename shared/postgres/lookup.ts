import type { Compilable, CompiledQuery, Kysely } from 'kysely'

/** Begins the statement of every lookup: what may share a connection says so itself. A comment to PostgreSQL. */
export const lookupMark = '/* lookup */ '

class Placeholder {
  readonly index: number

  constructor(index: number) {
    this.index = index
  }
}

/**
 * A short read by key, for hot paths: Kysely builds and compiles it once, and lookups that run at the same time share
 * connections instead of waiting for one each.
 *
 * `build` sees placeholders in place of `keys`: it may hand them to Kysely, and nothing else. Because a slow statement
 * delays the lookups behind it, use this for reads by an index that give a few rows, without locks and without functions
 * that change anything. Inside a transaction it runs on the connection of that transaction, like any other statement.
 *
 * ```ts
 * const findUser = lookup((db: Kysely<Schema>, id: number) => db.selectFrom('users').selectAll().where('id', '=', id))
 * const [user] = await findUser(db, 42)
 * ```
 *
 * @param build must not depend on plugins of a database: what it compiled for the first is used with all.
 */
export function lookup<Schema, Keys extends readonly unknown[], Row>(
  build: (db: Kysely<Schema>, ...keys: Keys) => Compilable<Row>,
): (db: Kysely<Schema>, ...keys: Keys) => Promise<readonly Row[]> {
  let compiled: CompiledQuery<Row> | undefined

  const compile = (db: Kysely<Schema>, keys: Keys): CompiledQuery<Row> => {
    const placeholders = keys.map((_, index) => new Placeholder(index))
    const query = build(db, ...(placeholders as unknown as Keys)).compile()
    return { ...query, sql: lookupMark + query.sql }
  }

  return async (db, ...keys) => {
    compiled ??= compile(db, keys)
    const parameters = compiled.parameters.map((value) =>
      value instanceof Placeholder ? keys[value.index] : value,
    )
    const { rows } = await db.executeQuery<Row>({ ...compiled, parameters })
    return rows
  }
}
