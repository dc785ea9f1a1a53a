import type { Subscription } from './consume/subscription.ts'
import { compareIds, firstIdOf, idBefore, idBeforeTime } from './entry-id.ts'
import { EventError } from './errors.ts'
import type { StreamContract } from './event.ts'
import type { EventArchive } from './outbox.ts'
import { Past } from './past.ts'
import type { ReplayJob, ReplayJobs, ReplayPart } from './replay-jobs.ts'
import { type Shards, tagsOf } from './tags.ts'
import type { StreamTransport } from './transport.ts'

export interface ReplayOptions {
  /** A subscription declared `replayable`. */
  readonly subscription: string
  /** Which of its events. Default: all it takes. */
  readonly event?: StreamContract | readonly StreamContract[]
  /** From a time, or from an entry id on, that one included. Default: the oldest kept, in the archive where there is one. */
  readonly from?: Date | string
  /** Instead of `from`: only the last so many. */
  readonly last?: number
  /** Up to a time. Default, and at most: the last one there is when the replay begins. */
  readonly to?: Date
  readonly maxCount?: number
  /** A process handles at most so many a second. Default: no limit. */
  readonly perSecond?: number
  /** Only count. */
  readonly dryRun?: boolean
}

export interface ReplayPlannerOptions {
  readonly service: string
  readonly streams: StreamTransport
  readonly jobs: ReplayJobs
  readonly archive: EventArchive | undefined
  readonly shards: Shards
  readonly now: () => number
  readonly newId: () => string
}

interface Found {
  readonly tag: string
  readonly id: string
  readonly archived: boolean
}

interface TaggedPast {
  readonly tag: string
  readonly past: Past
}

/**
 * Counts what a replay would handle and, unless it is a dry run, stores it as a job for every process that runs the
 * subscription.
 *
 * @throws {EventError} `EVENT_SUBSCRIPTION_INVALID` when the subscription or an event may not be replayed.
 */
export async function planReplay(
  subscription: Subscription | undefined,
  options: ReplayOptions,
  { service, streams, jobs, archive, shards, now, newId }: ReplayPlannerOptions,
): Promise<ReplayJob> {
  const contracts = chosenContracts(subscription, options)
  const types = new Set(contracts.map(({ name }) => name))
  const tags = [...new Set(contracts.flatMap(({ domain }) => tagsOf(domain, shards)))]
  const pasts = tags.map((tag) => ({ tag, past: new Past(tag, { streams, archive, now }) }))
  const found =
    options.last === undefined ? await forwards(pasts, types, options) : await lastOnes(pasts, types, options)

  const id = newId()
  const group = `${service}.${options.subscription}.replay.${id}`
  const parts = tags.flatMap(
    (tag) =>
      partOf(
        tag,
        found.filter((one) => one.tag === tag),
      ) ?? [],
  )
  const job: ReplayJob = {
    id,
    service,
    subscription: options.subscription,
    events: [...types],
    group,
    parts,
    perSecond: options.perSecond,
    total: found.length,
    done: 0,
    status: found.length === 0 ? 'done' : 'running',
    createdAtMs: now(),
  }
  if (options.dryRun) return job
  for (const { tag, after } of parts) await streams.operate(tag, group).create(after)
  await jobs.put(job)
  return job
}

function chosenContracts(
  subscription: Subscription | undefined,
  { subscription: name, event }: ReplayOptions,
) {
  const refuse = (reason: string) =>
    new EventError('EVENT_SUBSCRIPTION_INVALID', `replay of ${name}: ${reason}`)
  if (!subscription) throw refuse('no such subscription is declared here')
  if (!subscription.replayable) throw refuse('it is not declared replayable')
  const all = [...subscription.contracts.values()]
  const asked = event === undefined ? all : Array.isArray(event) ? event : [event]
  const chosen = all.filter(({ name }) => asked.some((contract: StreamContract) => contract.name === name))
  if (chosen.length < asked.length) throw refuse('it does not take every one of these events')
  const forbidden = chosen.filter(({ replayable }) => !replayable).map((contract) => contract.name)
  if (forbidden.length > 0) throw refuse(`${forbidden.join(', ')} cannot be replayed`)
  return chosen
}

async function forwards(
  pasts: readonly TaggedPast[],
  types: ReadonlySet<string>,
  { from, to, maxCount = Number.POSITIVE_INFINITY }: ReplayOptions,
): Promise<readonly Found[]> {
  const start =
    from instanceof Date ? idBeforeTime(from.getTime()) : from === undefined ? '0-0' : idBefore(from)
  const end = to && idBeforeTime(to.getTime() + 1)
  const found: Found[] = []
  for (const { tag, past } of pasts) {
    let count = 0
    for await (const { id, fields, archived } of past.forwards(start)) {
      if (count === maxCount || (end && compareIds(id, end) > 0)) break
      if (!types.has(fields.type ?? '')) continue
      found.push({ tag, id, archived })
      count++
    }
  }
  return inOrder(found).slice(0, Math.min(maxCount, found.length))
}

async function lastOnes(
  pasts: readonly TaggedPast[],
  types: ReadonlySet<string>,
  { last = 0, to }: ReplayOptions,
): Promise<readonly Found[]> {
  const before = to === undefined ? '+' : firstIdOf(to.getTime() + 1)
  const found: Found[] = []
  for (const { tag, past } of pasts) {
    let count = 0
    for await (const { id, fields, archived } of past.backwards(before)) {
      if (count === last) break
      if (!types.has(fields.type ?? '')) continue
      found.push({ tag, id, archived })
      count++
    }
  }
  return inOrder(found).slice(-last)
}

/** The smallest ranges that hold what was found of a tag. */
function partOf(tag: string, found: readonly Found[]): ReplayPart | undefined {
  const archive = rangeOf(found.filter(({ archived }) => archived))
  const range = rangeOf(found.filter(({ archived }) => !archived))
  // Where only the archive has some, nothing is read of the stream, which begins later.
  if (!range) return archive && { tag, after: archive.until, until: archive.until, archive }
  return { tag, ...range, ...(archive && { archive }) }
}

function rangeOf(found: readonly Found[]): ReplayPart['archive'] {
  const [first, last] = [found[0], found.at(-1)]
  return first && last && { after: idBefore(first.id), until: last.id }
}

function inOrder(found: readonly Found[]): readonly Found[] {
  return found.toSorted((a, b) => compareIds(a.id, b.id))
}
