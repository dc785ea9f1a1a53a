import { isAnsweredOtherwise, type Malformed } from './malformed.ts'
import type { Difference } from './suite.ts'

/** What a runtime answers by itself, before any code of ours is asked. */
const ofDeno: readonly (readonly [sentence: Malformed, instead: string, status: number])[] = [
  ['a header of 17 KB is 431', 'it is served, up to 64 KB', 200],
  ['a header of 100 KB is 431', 'it is 400', 400],
  ['150 headers are served', 'more than some 130 are 400', 400],
  ['a thousand headers are 431', 'they are 400', 400],
  ['a URL of 100 KB is 431', 'it is 400', 400],
  ['a chunk without a size is 400', 'the connection is closed without an answer', 0],
  ['no host is 400', 'it is served', 200],
  ['a version that is none is 505', 'it is 400', 400],
  ['a method that nobody knows is closed without an answer', 'it is 405', 405],
]

/**
 * Where a runtime is known not to do as a sentence says: what it does, shown like the sentence itself.
 *
 * docs/RUNTIMES.md has the same table.
 */
export const differences: Readonly<Record<string, Difference>> = Object.fromEntries(
  ofDeno.map(([sentence, instead, status]) => [
    sentence,
    { runtimes: ['deno'], instead, scene: isAnsweredOtherwise(sentence, status) },
  ]),
)
