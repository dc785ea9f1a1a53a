import { DUPLICATE_WINDOW_MS } from '../duplicates.ts'
import { compareIds } from '../entry-id.ts'
import type { EventLogger, EventObserver } from '../observer.ts'
import type { SubscriptionStore } from '../store.ts'
import type { RedisClient } from './connections.ts'
import { BEFORE } from './id-scripts.ts'
import { tagKeys } from './keys.ts'
import { runScript, script } from './run-script.ts'

const DAY_MS = 86_400_000
const FULL_MS = 300_000

/**
 * KEYS stream, full, trimmed, seen, seen before. ARGV id of the oldest age kept, bytes allowed, 'refuse' or 'trim',
 * full-flag milliseconds, the lowest mark of groups that are not there or '', the window of duplicates, groups that
 * hold nothing any more… Trims what is too old or too much, no further than the oldest entry a group still needs; over
 * the cap all the same, flags the stream or, told to, trims what was needed. Leaves the bound, by which a look for
 * lost entries knows what was trimmed. Gives entries trimmed, entries lost, bytes left, and 1 when full.
 *
 * Identities that nobody asks for any more are unlinked in their last window: their expiry would free a great hash while
 * everybody waits.
 */
export const TRIM = script(`${BEFORE}
for i = 4, 5 do
  local left = redis.call('PTTL', KEYS[i])
  if left >= 0 and left <= tonumber(ARGV[6]) then redis.call('UNLINK', KEYS[i]) end
end
local function next(id)
  local _, seq, ms = parts(id)
  return ms .. '-' .. string.format('%.0f', seq + 1)
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2])
  return { 0, 0, 0, 0 }
end
local forgotten = {}
for i = 7, #ARGV do forgotten[ARGV[i]] = true end
local bound
local function hold(id) if not bound or before(id, bound) then bound = id end end
if ARGV[5] ~= '' then hold(next(ARGV[5])) end
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  if not forgotten[group['name']] then
    hold(next(group['last-delivered-id']))
    if group['pending'] > 0 then hold(redis.call('XPENDING', KEYS[1], group['name'])[2]) end
  end
end
local function trim(id)
  local count = redis.call('XTRIM', KEYS[1], 'MINID', id)
  local known = redis.call('GET', KEYS[3])
  if count > 0 and not (known and before(id, known)) then redis.call('SET', KEYS[3], id) end
  return count
end
local function usage() return redis.call('MEMORY', 'USAGE', KEYS[1]) or 0 end
local function atLeast(excess, bytes)
  local length = redis.call('XLEN', KEYS[1])
  local count = math.min(length, math.ceil(length * excess / bytes), 20000)
  local found = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', count)
  return #found > 0 and next(found[#found][1]) or '0-0'
end
local limit = tonumber(ARGV[2])
local age = ARGV[1]
local trimmed, lost = trim((bound and before(bound, age)) and bound or age), 0
local bytes = usage()
while bytes > limit do
  local upTo = atLeast(bytes - limit, bytes)
  local count = trim((bound and before(bound, upTo)) and bound or upTo)
  trimmed = trimmed + count
  if count == 0 then break end
  bytes = usage()
end
while bytes > limit and ARGV[3] == 'trim' do
  local count = trim(atLeast(bytes - limit, bytes))
  lost = lost + count
  if count == 0 then break end
  bytes = usage()
end
if bytes > limit then
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
  return { trimmed, lost, bytes, 1 }
end
redis.call('DEL', KEYS[2])
return { trimmed, lost, bytes, 0 }`)

export interface RetentionOptions {
  readonly redis: RedisClient
  readonly store: SubscriptionStore
  /** Tags of the domains this service owns. */
  readonly tags: readonly string[]
  readonly logger: EventLogger
  readonly observer?: EventObserver
  readonly prefix?: string
  /** Default 7 days. */
  readonly maxAgeMs?: number
  /** A stream's memory. Default 512 MiB. */
  readonly maxBytes?: number
  /** At the cap: refuse to publish, or lose what was not consumed, counted. Default `refuse`. */
  readonly overflow?: 'refuse' | 'trim'
  /** A group unheard for so long holds the trim no longer. Default 7 days. */
  readonly forgetAfterMs?: number
  /** A group unheard for so long is warned of. Default 1 day. */
  readonly warnAfterMs?: number
  /** As the transport's. Default ten minutes. */
  readonly duplicateWindowMs?: number
  readonly now?: () => number
}

export interface RetentionReport {
  readonly tag: string
  readonly trimmed: number
  /** Trimmed although some group still needed them. */
  readonly lost: number
  readonly bytes: number
  /** Publishing is refused until a group catches up. */
  readonly full: boolean
}

/**
 * Trims what is old or too much from the streams a service owns, once; run it every minute, in any process of it.
 *
 * No entry that a group has not acknowledged is trimmed, unless nobody of the group was heard of for `forgetAfterMs`,
 * or the cap is reached with `overflow: 'trim'`.
 */
export async function enforceRetention({
  redis,
  store,
  tags,
  logger,
  observer = {},
  prefix = 'events',
  maxAgeMs = 7 * DAY_MS,
  maxBytes = 512 * 1024 * 1024,
  overflow = 'refuse',
  forgetAfterMs = 7 * DAY_MS,
  warnAfterMs = DAY_MS,
  duplicateWindowMs = DUPLICATE_WINDOW_MS,
  now = Date.now,
}: RetentionOptions): Promise<readonly RetentionReport[]> {
  const records = await store.list()
  const silentFor = (heardAtMs: number) => now() - heardAtMs
  const forgotten = records
    .filter(({ heardAtMs }) => silentFor(heardAtMs) > forgetAfterMs)
    .map(({ group }) => group)
  for (const { group, heardAtMs } of records) {
    if (silentFor(heardAtMs) <= warnAfterMs) continue
    const holds = !forgotten.includes(group)
    logger.warn(
      { group, silentMs: silentFor(heardAtMs), holds },
      'nobody of a registered subscription was heard of',
    )
  }

  const reports: RetentionReport[] = []
  for (const tag of tags) {
    const needed = records.filter((record) => record.tags.includes(tag) && !forgotten.includes(record.group))
    const { stream, full, trimmed, seen, seenBefore } = tagKeys(prefix, tag)
    const mark = await lowestAbsentMark(
      redis,
      store,
      stream,
      tag,
      needed.map(({ group }) => group),
    )
    const age = `${Math.max(0, now() - maxAgeMs)}-0`
    const keys = [stream, full, trimmed, seen, seenBefore]
    const limits = [age, maxBytes, overflow, FULL_MS, mark, duplicateWindowMs]
    const reply = (await runScript(redis, TRIM, keys, [...limits, ...forgotten])) as number[]
    const [count = 0, lost = 0, bytes = 0, isFull = 0] = reply
    reports.push({ tag, trimmed: count, lost, bytes, full: isFull === 1 })
    if (isFull === 1) logger.error({ tag, bytes }, 'a stream is at its cap: publishing to it is refused')
    if (lost > 0) {
      observer.entriesLost?.({ tag, group: undefined, count: lost })
      logger.error({ tag, count: lost }, 'the cap took entries that were not handled')
    }
  }
  return reports
}

/** A group that vanished will be healed at its mark, so what lies above it is still needed. */
async function lowestAbsentMark(
  redis: RedisClient,
  store: SubscriptionStore,
  stream: string,
  tag: string,
  groups: readonly string[],
): Promise<string> {
  if ((await redis.exists(stream)) === 0) return ''
  const present = ((await redis.xinfo('GROUPS', stream)) as string[][]).map(([, name]) => name)
  const marks: string[] = []
  for (const group of groups) {
    if (present.includes(group)) continue
    const mark = await store.mark(group, tag)
    if (mark !== undefined) marks.push(mark)
  }
  return marks.sort(compareIds)[0] ?? ''
}
