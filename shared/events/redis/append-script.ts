import { TRIMMED_AWAY } from './id-scripts.ts'
import { script } from './run-script.ts'

/**
 * KEYS stream, seen, seen before, full, trimmed. ARGV window in milliseconds, identities a generation may hold, 1 to
 * refuse at the cap, entries n, predecessors p; n identities or ''; p identities and p places of predecessors; n
 * lengths; all fields. Gives for each entry its id, `=id` where it was there already, `#` at the cap, `-` behind
 * a failure of its key, or `!` and the error.
 *
 * An entry and the memory of its identity are written by one script, so a server that loses the end of its file, or
 * hands over to a replica that lagged, has both or neither: what it lost is added when it comes again. An entry
 * that is gone for any other reason than retention is added again as well.
 *
 * Identities are kept in two generations, a hash each. The younger becomes the older at the age of one window, or when
 * it is full, and then the window is shorter. Its age is told by its expiry, three windows after its birth, which also
 * ends the memory of a stream that nobody writes to.
 *
 * An entry stops with its predecessor, the last of its key in an earlier part of the same call, when that one is not
 * remembered: whatever became of the earlier part, no entry overtakes one that failed.
 *
 * The first line makes the server refuse the whole script, before anything is done, when it is a replica or
 * out of memory.
 *
 * @see https://redis.io/docs/latest/develop/programmability/lua-api/#script_flags
 */
export const APPEND = script(`#!lua
${TRIMMED_AWAY}
local window, n, p = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local places, lengths = 5 + n + p, 5 + n + p + p
local last = lengths + n
local left = redis.call('PTTL', KEYS[2])
if (left >= 0 and left <= window * 2) or redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[2]) then
  redis.call('UNLINK', KEYS[3])
  redis.call('RENAME', KEYS[2], KEYS[3])
  left = -2
end
local young = redis.call('HMGET', KEYS[2], unpack(ARGV, 6, places))
local old = redis.call('HMGET', KEYS[3], unpack(ARGV, 6, places))
local full = redis.call('EXISTS', KEYS[4]) == 1 and ARGV[3] == '1'

local behind = {}
for i = 1, p do
  if not young[n + i] and not old[n + i] then behind[tonumber(ARGV[places + i])] = true end
end
local stopped
local function keyOf(from, to)
  for i = from, to, 2 do if ARGV[i] == 'partitionkey' then return ARGV[i + 1] end end
end
local function stop(key)
  if not key then return end
  stopped = stopped or {}
  stopped[key] = true
end
local function arrived(identity, id)
  if #redis.call('XRANGE', KEYS[1], id, id) == 1 or trimmedAway(KEYS[5], id) then return id end
  redis.call('HDEL', KEYS[2], identity)
  redis.call('HDEL', KEYS[3], identity)
end

local replies, added, remembered = {}, {}, {}
for i = 1, n do
  local length, identity = tonumber(ARGV[lengths + i]), ARGV[5 + i]
  local from, to = last + 1, last + length
  last = to
  if behind[i] then stop(keyOf(from, to)) end
  local id = added[identity]
  if not id then
    id = young[i] or old[i]
    if id then id = arrived(identity, id) end
  end
  if id then
    replies[i] = '=' .. id
  elseif full then
    replies[i] = '#'
  elseif stopped and stopped[keyOf(from, to)] then
    replies[i] = '-'
  else
    local reply = length <= 7000 and redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, from, to))
      or { err = 'ERR an event has too many attributes' }
    if type(reply) == 'table' then
      replies[i] = '!' .. reply.err
      stop(keyOf(from, to))
    else
      replies[i] = reply
      if identity ~= '' then
        added[identity] = reply
        remembered[#remembered + 1] = identity
        remembered[#remembered + 1] = reply
      end
    end
  end
end
if #remembered > 0 then
  redis.call('HSET', KEYS[2], unpack(remembered))
  if left < 0 then redis.call('PEXPIRE', KEYS[2], window * 3) end
end
return replies`)
