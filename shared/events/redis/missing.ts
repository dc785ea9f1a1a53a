import type { RedisClient } from './connections.ts'
import { TRIMMED_AWAY } from './id-scripts.ts'
import { tagKeys } from './keys.ts'
import { runScript, script } from './run-script.ts'

const MAX_IDS = 500

/** KEYS stream, trimmed. ARGV ids. Gives those that are neither in the stream nor below where retention trimmed it. */
export const MISSING = script(`${TRIMMED_AWAY}
local gone = {}
for _, id in ipairs(ARGV) do
  if #redis.call('XRANGE', KEYS[1], id, id) == 0 and not trimmedAway(KEYS[2], id) then gone[#gone + 1] = id end
end
return gone`)

/** As `StreamTransport.missing`, some hundred ids at a time, so that nobody else waits long for the server. */
export async function missingEntries(
  redis: RedisClient,
  prefix: string,
  tag: string,
  ids: readonly string[],
): Promise<readonly string[]> {
  const { stream, trimmed } = tagKeys(prefix, tag)
  const keys = [stream, trimmed]
  const missing: string[] = []
  for (let from = 0; from < ids.length; from += MAX_IDS)
    missing.push(...((await runScript(redis, MISSING, keys, ids.slice(from, from + MAX_IDS))) as string[]))
  return missing
}
