import type { Difference } from './suite.ts'

/** Where a runtime is known not to do as a sentence says: what it does, shown like the sentence itself. */
export const differences: Readonly<Record<string, Difference>> = {}
