import { EventError } from '../errors.ts'
import type { RedisClient } from './connections.ts'
import { aliveKey, behindKey, groupKeys } from './keys.ts'
import { recordOf } from './replies.ts'
import { runScript, script } from './run-script.ts'

/**
 * KEYS stream, old again, new again, old leader, then old and new of whatever else a group has. ARGV old, new group.
 * The new group is made where the old one stands, with what it holds and how often that was delivered; the old one
 * goes last. Gives moved or taken, pending entries moved, and those that were trimmed.
 */
export const MOVE_GROUP = script(`
local old, new = ARGV[1], ARGV[2]
local function find(stream, name)
  if redis.call('EXISTS', stream) == 0 then return nil end
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    if group['name'] == name then return group end
  end
end
local pending, trimmed = 0, 0
local function move(stream)
  local group = find(stream, old)
  if not group then return end
  local create = { 'XGROUP', 'CREATE', stream, new, group['last-delivered-id'] }
  if group['entries-read'] then
    create[6] = 'ENTRIESREAD'
    create[7] = group['entries-read']
  end
  redis.call(unpack(create))
  local from = '-'
  while true do
    local page = redis.call('XPENDING', stream, old, from, '+', 500)
    for _, held in ipairs(page) do
      local claim = { 'IDLE', 86400000, 'RETRYCOUNT', held[4], 'FORCE', 'JUSTID' }
      if #redis.call('XCLAIM', stream, new, held[2], 0, held[1], unpack(claim)) == 1 then pending = pending + 1
      else trimmed = trimmed + 1 end
    end
    if #page < 500 then break end
    from = '(' .. page[#page][1]
  end
  redis.call('XGROUP', 'DESTROY', stream, old)
end
if find(KEYS[1], old) and find(KEYS[1], new) then return { 'taken', 0, 0 } end
local pairsOf = { { KEYS[2], KEYS[3] } }
for i = 5, #KEYS, 2 do pairsOf[#pairsOf + 1] = { KEYS[i], KEYS[i + 1] } end
for _, pair in ipairs(pairsOf) do
  if redis.call('EXISTS', pair[1]) == 1 and redis.call('EXISTS', pair[2]) == 1 then return { 'taken', 0, 0 } end
end
for _, pair in ipairs(pairsOf) do
  if redis.call('EXISTS', pair[1]) == 1 then redis.call('RENAME', pair[1], pair[2]) end
end
redis.call('DEL', KEYS[4])
move(KEYS[3])
move(KEYS[1])
return { 'moved', pending, trimmed }`)

export interface MovedGroup {
  /** Entries that were delivered and not acknowledged: any member of the new group may claim them at once. */
  readonly pending: number
  /** Pending entries whose content was trimmed before: lost already. */
  readonly trimmed: number
}

/**
 * Gives everything a group has on one tag to a group of another name, in one step; a group that is not there any more is
 * no error.
 *
 * @throws {EventError} `EVENT_SUBSCRIPTION_INVALID` when the other one exists.
 */
export async function moveGroup(
  redis: RedisClient,
  { prefix, tag, from, to }: { prefix: string; tag: string; from: string; to: string },
): Promise<MovedGroup> {
  const [old, fresh] = [groupKeys(prefix, tag, from), groupKeys(prefix, tag, to)]
  const behind = (await redis.hkeys(old.held)).flatMap((key) => [behindKey(old, key), behindKey(fresh, key)])
  const asides = (['due', 'fed', 'dead', 'parked', 'held'] as const).flatMap((name) => [
    old[name],
    fresh[name],
  ])
  const keys = [old.stream, old.again, fresh.again, old.leader, ...asides, ...behind]
  const reply = await runScript(redis, MOVE_GROUP, keys, [from, to])
  const [outcome, pending, trimmed] = reply as [string, number, number]
  if (outcome === 'taken') {
    throw new EventError('EVENT_SUBSCRIPTION_INVALID', `${from}: ${to} exists as well on ${old.stream}`)
  }
  return { pending, trimmed }
}

/** @throws {EventError} `EVENT_SUBSCRIPTION_INVALID` while a member of the group lives. */
export async function refuseWhileRead(
  redis: RedisClient,
  { prefix, tag, group }: { prefix: string; tag: string; group: string },
): Promise<void> {
  const keys = groupKeys(prefix, tag, group)
  for (const consumer of await consumersOf(redis, keys.stream, group)) {
    if ((await redis.exists(aliveKey(keys, group, consumer))) === 0) continue
    throw new EventError('EVENT_SUBSCRIPTION_INVALID', `${group}: ${consumer} still reads it; stop it first`)
  }
}

async function consumersOf(redis: RedisClient, stream: string, group: string): Promise<readonly string[]> {
  if ((await redis.exists(stream)) === 0) return []
  const groups = (await redis.xinfo('GROUPS', stream)) as string[][]
  if (!groups.some((flat) => recordOf(flat).name === group)) return []
  const consumers = (await redis.xinfo('CONSUMERS', stream, group)) as string[][]
  return consumers.map((flat) => recordOf(flat).name ?? '')
}
