import { script } from './run-script.ts'

/** KEYS leader. ARGV consumer, lease milliseconds. Takes or renews the lease. */
export const LEAD = script(`
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

/** KEYS leader. ARGV consumer. Gives the lease up. */
export const RESIGN = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)

/**
 * KEYS source. ARGV group, start ('$' or an id). Creates the group when it is not there; a start, or a position, ahead
 * of the stream would read nothing for ever and becomes 0. Gives created or exists.
 */
export const ENSURE_GROUP = script(`
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function ahead(a, b)
  local aMs, aSeq = parts(a)
  local bMs, bSeq = parts(b)
  return aMs > bMs or (aMs == bMs and aSeq > bSeq)
end
local function map(flat)
  local result = {}
  for i = 1, #flat, 2 do result[flat[i]] = flat[i + 1] end
  return result
end
local last = '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
  last = map(redis.call('XINFO', 'STREAM', KEYS[1]))['last-generated-id']
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = map(flat)
    if group['name'] == ARGV[1] then
      if ahead(group['last-delivered-id'], last) then redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], '0') end
      return 'exists'
    end
  end
end
local start = ARGV[2]
if start == '$' then start = last end
if ahead(start, last) then start = '0-0' end
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], start, 'MKSTREAM')
return 'created'`)
