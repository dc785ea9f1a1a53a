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

/** KEYS source. ARGV group, consumer, limit, refs held already… Gives what is ours without our knowing, and ids trimmed. */
export const OWN = script(`
local busy = {}
for i = 4, #ARGV do busy[ARGV[i]] = true end
local entries, deleted = {}, {}
local from = '-'
while #entries < tonumber(ARGV[3]) do
  local page = redis.call('XPENDING', KEYS[1], ARGV[1], from, '+', 500, ARGV[2])
  for _, pending in ipairs(page) do
    if not busy[pending[1]] and #entries < tonumber(ARGV[3]) then
      local found = redis.call('XRANGE', KEYS[1], pending[1], pending[1])
      if #found == 1 then
        entries[#entries + 1] = { pending[1], found[1][2], pending[4], 0 }
      else
        redis.call('XACK', KEYS[1], ARGV[1], pending[1])
        deleted[#deleted + 1] = pending[1]
      end
    end
  end
  if #page < 500 then break end
  from = '(' .. page[#page][1]
end
return { entries, deleted }`)

/**
 * KEYS source. ARGV group, consumer, first id, id before which to stop, limit, refs held already… Takes what was delivered to
 * readers that will not work on it; gives {id, fields, deliveries, suspect}…
 */
export const TAKE_BETWEEN = script(`
local busy = {}
for i = 6, #ARGV do busy[ARGV[i]] = true end
local entries = {}
local from = ARGV[3]
while #entries < tonumber(ARGV[5]) do
  local page = redis.call('XPENDING', KEYS[1], ARGV[1], from, '(' .. ARGV[4], 500)
  for _, pending in ipairs(page) do
    local id, owner, count = pending[1], pending[2], pending[4]
    if not busy[id] and #entries < tonumber(ARGV[5]) then
      local found = redis.call('XRANGE', KEYS[1], id, id)
      if #found == 1 then
        if owner ~= ARGV[2] then
          count = count + 1
          redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', count, 'JUSTID')
        end
        entries[#entries + 1] = { id, found[1][2], count, 0 }
      end
    end
  end
  if #page < 500 then break end
  from = '(' .. page[#page][1]
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
