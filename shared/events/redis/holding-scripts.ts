import { script } from './run-script.ts'

/** Whether the consumer still holds the entry, which may have been claimed or finished since it was read. */
export const OWNED = `
local function owned(stream, group, consumer, id)
  local found = redis.call('XPENDING', stream, group, id, id, 1)
  return #found == 1 and found[1][2] == consumer, found[1]
end`

/**
 * KEYS source. ARGV group, consumer, minimum idle milliseconds, cursor, limit, deliveries that make a suspect.
 * Claims what others abandoned. A suspect is claimed without counting a delivery, because it may never be started.
 * Gives the next cursor, {id, fields, deliveries, suspect}…, and the ids that were trimmed.
 */
export const CLAIM = script(`${OWNED}
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local claimed = redis.call('XAUTOCLAIM', stream, group, consumer, ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'JUSTID')
local entries = {}
for _, id in ipairs(claimed[2]) do
  local _, pending = owned(stream, group, consumer, id)
  local found = redis.call('XRANGE', stream, id, id)
  if pending and #found == 1 then
    local count = pending[4] + 1
    local suspect = count > tonumber(ARGV[6])
    if not suspect then redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', count, 'JUSTID') end
    entries[#entries + 1] = { id, found[1][2], count, suspect and 1 or 0 }
  end
end
return { claimed[1], entries, claimed[3] }`)

/**
 * Up to `limit` pending entries from one id to another that are not among the refs which begin at ARGV[refs], of one consumer
 * where it is named: {id, fields, deliveries, owner}… and the ids that were trimmed.
 */
const UNKNOWN = `
local function unknown(from, to, limit, refs, ...)
  local busy = {}
  for i = refs, #ARGV do busy[ARGV[i]] = true end
  local entries, deleted = {}, {}
  while #entries < limit do
    local page = redis.call('XPENDING', KEYS[1], ARGV[1], from, to, 500, ...)
    for _, pending in ipairs(page) do
      if not busy[pending[1]] and #entries < limit then
        local found = redis.call('XRANGE', KEYS[1], pending[1], pending[1])
        if #found == 1 then
          entries[#entries + 1] = { pending[1], found[1][2], pending[4], pending[2] }
        else
          deleted[#deleted + 1] = pending[1]
        end
      end
    end
    if #page < 500 then break end
    from = '(' .. page[#page][1]
  end
  return entries, deleted
end`

/** KEYS source. ARGV group, consumer, limit, refs held already… Gives what is ours without our knowing, and ids trimmed. */
export const OWN = script(`${UNKNOWN}
local entries, deleted = unknown('-', '+', tonumber(ARGV[3]), 4, ARGV[2])
for _, id in ipairs(deleted) do redis.call('XACK', KEYS[1], ARGV[1], id) end
for _, entry in ipairs(entries) do entry[4] = 0 end
return { entries, deleted }`)

/**
 * KEYS source. ARGV group, consumer, first id, id before which to stop, limit, refs held already… Takes what was delivered to
 * readers that will not work on it; gives {id, fields, deliveries, suspect}…
 */
export const TAKE_BETWEEN = script(`${UNKNOWN}
local entries = unknown(ARGV[3], '(' .. ARGV[4], tonumber(ARGV[5]), 6)
for _, entry in ipairs(entries) do
  if entry[4] ~= ARGV[2] then
    entry[3] = entry[3] + 1
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry[1], 'RETRYCOUNT', entry[3], 'JUSTID')
  end
  entry[4] = 0
end
return entries`)

/** KEYS source. ARGV group, consumer, id. Counts the delivery of a suspect; 0 when it is no longer ours. */
export const BEGIN = script(`${OWNED}
local ours = owned(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if not ours then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3])
return 1`)

/** KEYS source. ARGV group, consumer, ids… Resets the idle time of what is still ours; gives the other ids. */
export const KEEP_ALIVE = script(`${OWNED}
local lost = {}
for i = 3, #ARGV do
  if owned(KEYS[1], ARGV[1], ARGV[2], ARGV[i]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost`)

/** KEYS source. ARGV group, consumer, ids… Makes ours claimable at once and takes their delivery back. */
export const HAND_BACK = script(`${OWNED}
for i = 3, #ARGV do
  local ours, pending = owned(KEYS[1], ARGV[1], ARGV[2], ARGV[i])
  if ours then
    local count = math.max(0, pending[4] - 1)
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', 86400000, 'RETRYCOUNT', count, 'JUSTID')
  end
end
return 1`)

/** KEYS source. ARGV group, consumer. Removes a consumer that holds nothing; XGROUP DELCONSUMER alone destroys what it holds. */
export const REMOVE_CONSUMER = script(`
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1`)
