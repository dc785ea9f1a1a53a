import type { Subscription } from './consume/subscription.ts'
import { compareIds, idBefore, idBeforeTime } from './entry-id.ts'
import { EventError } from './errors.ts'
import type { StreamContract } from './event.ts'
import type { ReplayJob, ReplayJobs } from './replay-jobs.ts'
import { type Shards, tagsOf } from './tags.ts'
import type { StreamTransport } from './transport.ts'

const PAGE = 1000

export interface ReplayOptions {
  /** A subscription declared `replayable`. */
  readonly subscription: string
  /** Which of its events. Default: all it takes. */
  readonly event?: StreamContract | readonly StreamContract[]
  /** From a time, or from an entry id on, that one included. Default: the oldest kept. */
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
  readonly shards: Shards
  readonly now: () => number
  readonly newId: () => string
}

interface Found {
  readonly tag: string
  readonly id: string
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
  { service, streams, jobs, shards, now, newId }: ReplayPlannerOptions,
): Promise<ReplayJob> {
  const contracts = chosenContracts(subscription, options)
  const types = new Set(contracts.map(({ name }) => name))
  const tags = [...new Set(contracts.flatMap(({ domain }) => tagsOf(domain, shards)))]
  const found =
    options.last === undefined
      ? await forwards(streams, tags, types, options)
      : await lastOnes(streams, tags, types, options)

  const id = newId()
  const group = `${service}.${options.subscription}.replay.${id}`
  const parts = tags.flatMap((tag) => {
    const ids = found.filter((one) => one.tag === tag).map((one) => one.id)
    const [first, last] = [ids[0], ids.at(-1)]
    return first === undefined || last === undefined ? [] : [{ tag, after: idBefore(first), until: last }]
  })
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
  streams: StreamTransport,
  tags: readonly string[],
  types: ReadonlySet<string>,
  { from, to, maxCount = Number.POSITIVE_INFINITY }: ReplayOptions,
): Promise<readonly Found[]> {
  const start =
    from instanceof Date ? idBeforeTime(from.getTime()) : from === undefined ? '0-0' : idBefore(from)
  const found: Found[] = []
  for (const tag of tags) {
    const [newest] = await streams.backwards(tag, '+', 1)
    const end = to === undefined ? newest?.id : idBeforeTime(to.getTime() + 1)
    let after = start
    let count = 0
    for (let more = newest !== undefined; more; ) {
      const page = await streams.range(tag, after, PAGE)
      for (const { id, fields } of page) {
        if (compareIds(id, end ?? id) > 0 || compareIds(id, newest?.id ?? id) > 0 || count === maxCount) break
        if (!types.has(fields.type ?? '')) continue
        found.push({ tag, id })
        count++
      }
      const last = page.at(-1)?.id
      more = page.length === PAGE && count < maxCount && compareIds(last ?? '', end ?? '') < 0
      after = last ?? after
    }
  }
  return inOrder(found).slice(0, Math.min(maxCount, found.length))
}

async function lastOnes(
  streams: StreamTransport,
  tags: readonly string[],
  types: ReadonlySet<string>,
  { last = 0, to }: ReplayOptions,
): Promise<readonly Found[]> {
  const found: Found[] = []
  for (const tag of tags) {
    let before = to === undefined ? '+' : `${to.getTime() + 1}-0`
    for (let count = 0; count < last; ) {
      const page = await streams.backwards(tag, before, PAGE)
      for (const { id, fields } of page) {
        if (count === last || !types.has(fields.type ?? '')) continue
        found.push({ tag, id })
        count++
      }
      if (page.length < PAGE) break
      before = page.at(-1)?.id ?? before
    }
  }
  return inOrder(found).slice(-last)
}

function inOrder(found: readonly Found[]): readonly Found[] {
  return found.toSorted((a, b) => compareIds(a.id, b.id))
}
