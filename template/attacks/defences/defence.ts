import type { Edit } from '../../chaos/build.ts'

/** Something that an attack fails at, and how to take it out of a copy of the source. */
export interface Defence {
  readonly name: string
  /** The file of `tests/security`, or one beside the code, that must fail without it. */
  readonly test: string
  /** Each must match exactly once, so that none outlives the code it was written for. */
  readonly edits: readonly Edit[]
}

/** A defence that is one place of the code. */
export const one = (file: string, find: string, replace: string): readonly Edit[] => [{ file, find, replace }]
