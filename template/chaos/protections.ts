import type { Edit } from './build.ts'
import type { Weights } from './faults.ts'
import type { RunOptions } from './run.ts'
import { shortened } from './timeouts.ts'

/** Something that keeps the promise, and how to take it out of a copy of the source. */
export interface Protection {
  readonly name: string
  /** Each must match exactly once, so that none outlives the code it was written for. */
  readonly edits: readonly Edit[]
  /** Taken out of both sides, because it would hide that this one is missing. */
  readonly hiddenBy?: readonly Edit[]
  /** The same faults, those more often that it protects from; and how many, under which load. */
  readonly profile: {
    readonly weights?: Partial<Weights>
    readonly run?: Partial<Pick<RunOptions, 'writes' | 'faults' | 'clients' | 'handlers' | 'timeouts'>>
  }
}

const duplicateGuard: Edit = {
  file: 'shared/events/redis/append-script.ts',
  find: 'id = young[i] or old[i]',
  replace: 'id = nil',
}

const no = (...kinds: readonly (keyof Weights)[]) => Object.fromEntries(kinds.map((kind) => [kind, 0]))

export const protections: readonly Protection[] = [
  {
    name: 'own-pending drain',
    edits: [
      {
        file: 'shared/events/redis/recovery.ts',
        find: 'const own = await this.own(busy, maxCount)',
        replace: 'const own: Recovered = { entries: [], deleted: [], more: false }',
      },
    ],
    // A claim takes them too, from a process that lives on as well, only later. What was handed back is still claimed, and
    // everything by a new leader.
    hiddenBy: [
      {
        file: 'shared/events/redis/recovery.ts',
        find: 'this.#all ? 0 : keepAliveMs * 3',
        replace: 'this.#all ? 0 : 3_600_000',
      },
    ],
    // Replies that get lost on their way to a process that lives on.
    profile: {
      weights: {
        ...no('kill consumer', 'freeze consumer', 'roll out consumer'),
        ...no('cut tail of redis file', 'promote lagging replica'),
        ...{ 'cut reply of redis': 30, 'half-open link to redis': 20, 'cut link to redis': 20 },
      },
    },
  },
  {
    name: 'claim',
    edits: [
      {
        file: 'shared/events/redis/recovery.ts',
        find: "if (this.#cursors.get(source) === 'done') continue",
        replace: 'continue',
      },
    ],
    profile: { weights: { 'kill consumer': 20 } },
  },
  {
    name: 'keepalive',
    edits: [
      {
        file: 'shared/events/consume/upkeep.ts',
        find: 'member.keepAlive([...dispatcher.busy.values()])',
        replace: 'member.keepAlive([])',
      },
    ],
    // Some handlers take longer than claims wait. Their processes live and reach Redis, so that no delivery ends with its
    // process: one attempt is enough for every event.
    profile: {
      weights: {
        ...no('kill consumer', 'freeze consumer', 'roll out consumer'),
        ...no('cut link to redis', 'cut reply of redis', 'delay link to redis', 'half-open link to redis'),
        ...no('kill redis', 'freeze redis', 'cut tail of redis file', 'promote lagging replica'),
      },
      run: {
        writes: 1000,
        faults: 5,
        handlers: { failing: 0, slow: 0.02, slowMs: 25_000, attempts: 1 },
        // A busy machine stands still for longer than the shortened claim waits.
        timeouts: { ...shortened, keepAliveMs: 3000 },
      },
    },
  },
  {
    name: 'key lock',
    edits: [
      {
        file: 'shared/postgres/outbox/add.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it stands so in the file
        find: 'select pg_advisory_xact_lock(${sql.lit(locks.key)}, hash) from',
        replace: 'select hash from',
      },
      {
        file: 'shared/postgres/outbox/add.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it stands so in the file
        find: '(select pg_advisory_xact_lock(${sql.lit(locks.key)}, ${locked}))',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the same
        replace: '(select ${locked}::integer)',
      },
    ],
    // With its commit in one packet, a row is there almost as soon as it has its id.
    hiddenBy: [
      {
        file: 'shared/postgres/at-commit.ts',
        find: 'compiled(build, atCommitMark)',
        replace: 'compiled(build)',
      },
    ],
    // A commit that takes its time; a relay that is started again would find the row that it had passed over.
    profile: {
      weights: { 'delay link to postgres': 100, 'kill relay': 0, 'roll out relay': 0 },
      run: { clients: 24 },
    },
  },
  {
    name: 'relay guard: lock of buckets',
    edits: [
      {
        file: 'shared/postgres/outbox/rows.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it stands so in the file
        find: 'and pg_try_advisory_xact_lock(${sql.lit(locks.bucket)}, bucket)',
        replace: '',
      },
    ],
    hiddenBy: [duplicateGuard],
    // Nothing after which a relay may send again what it has sent: only two that send the same at once are left.
    profile: {
      weights: {
        ...no('kill relay', 'freeze relay', 'roll out relay', 'terminate connections', 'restart postgres'),
        ...no(
          'cut link to redis',
          'cut reply of redis',
          'delay link to redis',
          'half-open link to redis',
          'kill redis',
          'freeze redis',
        ),
        ...no('cut link to postgres', 'delay link to postgres', 'half-open link to postgres'),
        ...no('cut tail of redis file', 'promote lagging replica'),
      },
    },
  },
  {
    name: 'relay guard: duplicates',
    edits: [duplicateGuard],
    profile: { weights: { 'kill relay': 20, 'half-open link to redis': 20, 'terminate connections': 20 } },
  },
  {
    name: 'inbox',
    edits: [
      {
        file: 'shared/postgres/inbox.ts',
        find: 'return events.flatMap((event, index) => (inserted.delete(keyOf(event)) ? [index] : []))',
        replace: 'return events.map((_, index) => index)',
      },
    ],
    profile: { weights: { 'kill consumer': 20 } },
  },
  {
    name: 'low-water heal',
    edits: [
      {
        file: 'shared/events/redis/group-reader.ts',
        find: 'const position = mark ?? ',
        replace: 'const position = ',
      },
    ],
    profile: { weights: { 'empty redis': 40, 'cut link to redis': 20 } },
  },
  {
    name: 'ack-gated move',
    edits: [
      {
        file: 'shared/events/redis/scripts.ts',
        find: "if not owned(KEYS[1], group, consumer, id) then return 'lost' end",
        replace: '',
      },
      {
        file: 'shared/events/redis/member.ts',
        find: "const outcome = await run('')",
        replace: "await this.ack([entry])\n    const outcome = await run('')",
      },
    ],
    // Whoever dies has to die between the two, which only a server that does not answer holds apart.
    profile: {
      weights: { 'kill consumer': 60, 'freeze redis': 30 },
      run: { handlers: { failing: 0.2, slow: 0, slowMs: 0, attempts: 30 } },
    },
  },
]

/** @throws {Error} listing those there are. */
export function findProtection(name: string): Protection {
  const found = protections.find((protection) => protection.name === name)
  if (found === undefined)
    throw new Error(`there are the protections ${protections.map(({ name }) => name).join(', ')}`)
  return found
}
