import { findUnreadable, type Schema } from './schema-reading.ts'

/**
 * What a changed schema has to stand: BACKWARD, its readers take what was written under the one before; FORWARD, readers
 * of the one before take what is written now; FULL, both. Transitive: of every earlier schema, not only of the last.
 */
export const compatibilityModes = [
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const
export type Compatibility = (typeof compatibilityModes)[number]

/** One reason why two schemas do not go together. */
export interface Incompatibility {
  /** Where in the data: `/outcome/rating`, `/tags/[]` for an array's elements, `/names/*` for a record's; empty for all of it. */
  readonly path: string
  readonly reason: string
}

const OLD = 'the old schema'
const NEW = 'the new schema'

/**
 * Why a schema may not follow the earlier ones; empty when it may.
 *
 * Writers send only fields their schema names, readers ignore those theirs does not, unless it says
 * `additionalProperties: false`. What cannot be judged is a reason too: a verdict without reasons holds, a verdict with
 * reasons may be too careful.
 *
 * @param earlier oldest first.
 */
export function findIncompatibilities(
  mode: Compatibility,
  earlier: readonly Schema[],
  schema: Schema,
): readonly Incompatibility[] {
  const compared = mode.endsWith('_TRANSITIVE') ? earlier : earlier.slice(-1)
  const found = new Map<string, Incompatibility>()
  for (const old of compared.toReversed()) {
    const problems = [
      ...(mode.startsWith('FORWARD')
        ? []
        : findUnreadable({ schema: old, called: OLD }, { schema, called: NEW })),
      ...(mode.startsWith('BACKWARD')
        ? []
        : findUnreadable({ schema, called: NEW }, { schema: old, called: OLD })),
    ]
    for (const problem of problems) found.set(`${problem.path} ${problem.reason}`, problem)
  }
  return [...found.values()]
}
