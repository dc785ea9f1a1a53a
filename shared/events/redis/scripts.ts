import { OWNED } from './holding-scripts.ts'
import { script } from './run-script.ts'

/**
 * Scripts do not roll back. Each therefore proves first that the consumer still holds the entry, writes its copy
 * next, and acknowledges last: an interruption can double an entry and never lose one.
 *
 * Whole entries are kept as MessagePack of their fields, which is safe for any bytes a foreign publisher sent.
 */
const DONE = `
local function done(stream, group, id)
  redis.call('XACK', stream, group, id)
  if string.find(stream, ':again:', 1, true) then redis.call('XDEL', stream, id) end
end`

// Lua passes at most some 8,000 arguments; an entry with more fields is wrapped.
const COPY = `
local function field(fields, name)
  for i = 1, #fields, 2 do if fields[i] == name then return fields[i + 1] end end
end
local function add(stream, fields)
  if #fields > 7000 then
    local wrapped = { ':wrapped', cmsgpack.pack(fields) }
    for i = 1, #fields, 2 do
      if string.sub(fields[i], 1, 1) == ':' then
        wrapped[#wrapped + 1] = fields[i]
        wrapped[#wrapped + 1] = fields[i + 1]
      end
    end
    fields = wrapped
  end
  return redis.call('XADD', stream, '*', unpack(fields))
end
local function noted(fields, notes, id)
  local replaced, copy = {}, {}
  for i = 1, #notes, 2 do replaced[notes[i]] = true end
  for i = 1, #fields, 2 do
    if not replaced[fields[i]] then
      copy[#copy + 1] = fields[i]
      copy[#copy + 1] = fields[i + 1]
    end
  end
  for i = 1, #notes do copy[#copy + 1] = notes[i] end
  if not field(copy, ':origin') then
    copy[#copy + 1] = ':origin'
    copy[#copy + 1] = field(copy, ':archived') or id
  end
  return copy
end`

// The next event of a held key becomes the one the key waits for; without one the key is free.
const NEXT = `
local function letNext(held, key, origin, behind, again)
  if redis.call('HGET', held, key) ~= origin then return redis.call('HEXISTS', held, key) end
  local packed = redis.call('LINDEX', behind, 0)
  if not packed then
    redis.call('HDEL', held, key)
    return 0
  end
  local fields = cmsgpack.unpack(packed)
  add(again, fields)
  redis.call('HSET', held, key, field(fields, ':origin'))
  redis.call('LPOP', behind)
  return 1
end`

const CLOCK = `
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end`

/**
 * KEYS source, destination, held, behind, again. ARGV group, consumer, id, to, delayMs, key, hold|release|'',
 * entry as JSON in case it was trimmed, notes… Gives moved, lost, or deleted when trimmed and no copy was given.
 */
export const MOVE = script(`${OWNED}${DONE}${COPY}${NEXT}${CLOCK}
local group, consumer, id = ARGV[1], ARGV[2], ARGV[3]
if not owned(KEYS[1], group, consumer, id) then return 'lost' end
local found = redis.call('XRANGE', KEYS[1], id, id)
local fields
if #found == 1 then fields = found[1][2]
elseif ARGV[8] ~= '' then fields = cjson.decode(ARGV[8])
else return 'deleted' end
local notes = {}
for i = 9, #ARGV do notes[#notes + 1] = ARGV[i] end
local copy = noted(fields, notes, id)
if ARGV[4] == 'due' then
  redis.call('ZADD', KEYS[2], clock() + tonumber(ARGV[5]), cmsgpack.pack(copy))
else
  add(KEYS[2], copy)
end
if ARGV[7] == 'hold' then redis.call('HSETNX', KEYS[3], ARGV[6], field(copy, ':origin'))
elseif ARGV[7] == 'release' then letNext(KEYS[3], ARGV[6], field(copy, ':origin'), KEYS[4], KEYS[5]) end
done(KEYS[1], group, id)
return 'moved'`)

/** KEYS source, held, behind, again. ARGV group, consumer, id, key, origin. Gives 1 while the key is still held. */
export const RELEASE = script(`${OWNED}${DONE}${COPY}${NEXT}
if not owned(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then return redis.call('HEXISTS', KEYS[2], ARGV[4]) end
local held = letNext(KEYS[2], ARGV[4], ARGV[5], KEYS[3], KEYS[4])
done(KEYS[1], ARGV[1], ARGV[3])
return held`)

/** KEYS source, held, behind. ARGV group, consumer, id, key, bound. Gives queued, free, full or lost. */
export const QUEUE_BEHIND = script(`${OWNED}${DONE}${COPY}
if not owned(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then return 'lost' end
if redis.call('HEXISTS', KEYS[2], ARGV[4]) == 0 then return 'free' end
if redis.call('LLEN', KEYS[3]) >= tonumber(ARGV[5]) then return 'full' end
local found = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
if #found == 0 then return 'free' end
redis.call('RPUSH', KEYS[3], cmsgpack.pack(noted(found[1][2], {}, ARGV[3])))
done(KEYS[1], ARGV[1], ARGV[3])
return 'queued'`)

/** KEYS due, again. ARGV limit. Brings back what is due; gives the milliseconds to the next one, or -1. */
export const BRING_BACK = script(`${COPY}${CLOCK}
local now = clock()
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
for _, packed in ipairs(due) do
  add(KEYS[2], cmsgpack.unpack(packed))
  redis.call('ZREM', KEYS[1], packed)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then return -1 end
return math.max(0, tonumber(first[2]) - now)`)

/**
 * KEYS parked, again. ARGV after-id, limit, group, consumer, type, newest known version…
 * What the consumer knows is delivered to it at once, or members that do not know it would park it again.
 * Gives the last id looked at, or '', and how many were taken.
 */
export const UNPARK = script(`${COPY}
local known, taken = {}, 0
for i = 5, #ARGV, 2 do known[ARGV[i]] = tonumber(ARGV[i + 1]) end
local last = ''
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
  last = entry[1]
  local newest = known[field(entry[2], 'type')]
  if newest and (tonumber(field(entry[2], 'dataversion')) or 1) <= newest then
    add(KEYS[2], entry[2])
    redis.call('XDEL', KEYS[1], entry[1])
    taken = taken + 1
  end
end
if taken > 0 then redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', 1000, 'STREAMS', KEYS[2], '>') end
return { last, taken }`)

/** KEYS dead, again. ARGV id. Delivers a dead letter again, to its group only; 0 when it is gone. */
export const REDRIVE = script(`${COPY}
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
local fields, copy = found[1][2], {}
if field(fields, ':wrapped') then
  local origin = field(fields, ':origin')
  fields = cmsgpack.unpack(field(fields, ':wrapped'))
  fields[#fields + 1] = ':origin'
  fields[#fields + 1] = origin
end
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 1) ~= ':' or fields[i] == ':origin' or fields[i] == ':replay' then
    copy[#copy + 1] = fields[i]
    copy[#copy + 1] = fields[i + 1]
  end
end
copy[#copy + 1] = ':redelivered'
copy[#copy + 1] = '1'
add(KEYS[2], copy)
redis.call('XDEL', KEYS[1], ARGV[1])
return 1`)

/** KEYS dead, held, behind, again. ARGV id, key. Destroys a dead letter; the key that waited for it goes on. */
export const PURGE = script(`${COPY}${NEXT}
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
local origin = field(found[1][2], ':origin')
if ARGV[2] ~= '' and origin then letNext(KEYS[2], ARGV[2], origin, KEYS[3], KEYS[4]) end
redis.call('XDEL', KEYS[1], ARGV[1])
return 1`)
