import { EventError } from '../errors.ts'
import type { Inbox } from '../inbox.ts'
import type { EventLogger } from '../observer.ts'
import type { RenamedSubscription } from '../operations.ts'
import type { ReplayJobs } from '../replay-jobs.ts'
import type { SubscriptionRecord, SubscriptionStore } from '../store.ts'
import type { RedisClient } from './connections.ts'
import { moveGroup, refuseWhileRead } from './move-group.ts'

export interface RenameOwnerOptions {
  readonly redis: RedisClient
  readonly store: SubscriptionStore
  readonly replays: ReplayJobs
  /** Without it, transactional subscriptions may handle again what they have handled under the old name. */
  readonly inbox?: Pick<Inbox<never>, 'rename'>
  readonly logger: EventLogger
  /** Default `events`. */
  readonly prefix?: string
  /** The name the subscriptions are registered under. */
  readonly from: string
  /** The service's name now. */
  readonly to: string
}

/**
 * Gives the subscriptions of a service that was renamed to its new name: positions, pending, due, parked and dead
 * events, pauses, low-water marks and running replays. Stop every process of the old name first.
 *
 * Interrupted, it is simply run again: nothing of a subscription is forgotten before all of it was moved.
 *
 * @throws {EventError} `EVENT_UNKNOWN` when nothing belongs to `from`; `EVENT_SUBSCRIPTION_INVALID` when a process of it
 * still runs, or a subscription of the new name has begun already.
 */
export async function renameOwner(options: RenameOwnerOptions): Promise<readonly RenamedSubscription[]> {
  const { redis, store, replays, prefix = 'events', from, to } = options
  const records = (await store.list()).filter(({ owner }) => owner === from)
  const jobs = (await replays.list()).filter(({ service }) => service === from)
  if (records.length + jobs.length === 0 || from === to) {
    throw new EventError('EVENT_UNKNOWN', `no subscription belongs to ${from}`)
  }

  const running = jobs
    .filter(({ status }) => status === 'running')
    .map(({ group, parts }) => ({ group, tags: parts.map(({ tag }) => tag) }))
  for (const { group, tags } of [...records, ...running]) {
    for (const tag of tags) await refuseWhileRead(redis, { prefix, tag, group })
  }

  for (const old of running) await moveAll(options, old, renamed(old.group, from, to))
  for (const job of jobs) await replays.put({ ...job, service: to, group: renamed(job.group, from, to) })
  const moved: RenamedSubscription[] = []
  for (const record of records) moved.push(await renameOne(options, record))
  return moved
}

async function renameOne(
  options: RenameOwnerOptions,
  { paused, ...record }: SubscriptionRecord,
): Promise<RenamedSubscription> {
  const { store, from, to } = options
  const group = renamed(record.group, from, to)
  await store.register({ ...record, group, owner: to })
  if (paused) await store.setPaused(group, true)
  for (const tag of record.tags) {
    const mark = await store.mark(record.group, tag)
    if (mark !== undefined) await store.saveMark(group, tag, mark)
  }
  const pending = await moveAll(options, record, group)
  await store.remove(record.group)
  return { subscription: record.name, group, pending }
}

async function moveAll(
  { redis, inbox, logger, prefix = 'events' }: RenameOwnerOptions,
  old: { readonly group: string; readonly tags: readonly string[] },
  to: string,
): Promise<number> {
  await inbox?.rename(old.group, to)
  let total = 0
  for (const tag of old.tags) {
    const { pending, trimmed } = await moveGroup(redis, { prefix, tag, from: old.group, to })
    total += pending
    if (trimmed > 0)
      logger.error({ group: to, tag, count: trimmed }, 'entries were trimmed before they were handled')
  }
  return total
}

function renamed(group: string, from: string, to: string): string {
  return `${to}${group.slice(from.length)}`
}
