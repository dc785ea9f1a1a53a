import type { Edit } from './build.ts'
import type { Weights } from './faults.ts'
import type { RunOptions } from './run.ts'

/** Something that keeps the promise, and how to take it out of a copy of the source. */
export interface Protection {
  readonly name: string
  /** Each must match exactly once, so that none outlives the code it was written for. */
  readonly edits: readonly Edit[]
  /** The same faults, those more often that it protects from; and how many, under which load. */
  readonly profile: {
    readonly weights?: Partial<Weights>
    readonly run?: Partial<Pick<RunOptions, 'writes' | 'faults' | 'clients' | 'handlers'>>
  }
}

const recovery = 'shared/events/redis/recovery.ts'

export const protections: readonly Protection[] = [
  {
    name: 'own-pending drain',
    edits: [
      {
        file: recovery,
        find: 'const own = await this.own(busy, maxCount)',
        replace: 'const own: Recovered = { entries: [], deleted: [], more: busy.size + maxCount < 0 }',
      },
    ],
    profile: { weights: { 'half-open link to redis': 20, 'cut link to redis': 20, 'freeze redis': 10 } },
  },
  {
    name: 'claim',
    edits: [
      {
        file: recovery,
        find: 'return { entries: held.map((entry) => heldEntry(entry, source === this.#keys.again)), deleted }',
        replace:
          'return { entries: held.slice(held.length).map((entry) => heldEntry(entry, false)), deleted }',
      },
      {
        file: recovery,
        find: '    const [next, held, deleted] = (await runScript(commands, CLAIM, [source], args)) as [',
        replace: `    const [next, held, deleted] = (args.length > 0 ? [START, [], []] : await runScript(commands, CLAIM, [source], args)) as [`,
      },
    ],
    profile: { weights: { 'kill consumer': 20 } },
  },
]

/** @throws {Error} listing those there are. */
export function findProtection(name: string): Protection {
  const found = protections.find((protection) => protection.name === name)
  if (found === undefined)
    throw new Error(`there are the protections ${protections.map(({ name }) => name).join(', ')}`)
  return found
}
