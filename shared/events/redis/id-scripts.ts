/** `before(a, b)` for entry ids, whose numbers are too great for one of Lua's together. */
export const BEFORE = `
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(seq), ms, seq
end
local function before(a, b)
  local aMs, aSeq = parts(a)
  local bMs, bSeq = parts(b)
  return aMs < bMs or (aMs == bMs and aSeq < bSeq)
end`

/** `trimmedAway(trimmed, id)`: whether retention took the entry, by the bound it has left in a key. */
export const TRIMMED_AWAY = `${BEFORE}
local function trimmedAway(trimmed, id)
  local bound = redis.call('GET', trimmed)
  return bound and before(id, bound) or false
end`
