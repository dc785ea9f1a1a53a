import { millisecondsOf } from '../entry-id.ts'
import { type GroupHealth, type GroupOperations, NOTE, type StoredEntry } from '../transport.ts'
import type { RedisClient } from './connections.ts'
import { ENSURE_GROUP } from './group-scripts.ts'
import { behindKey, groupKeys } from './keys.ts'
import { groupPosition } from './position.ts'
import { type EntryReply, recordOf } from './replies.ts'
import { runScript, script } from './run-script.ts'
import { PURGE, REDRIVE } from './scripts.ts'

const MAX_COUNTED = 10_000

/** KEYS again, fed. ARGV after, until, then for each entry the number of its fields and values, and those. */
export const FEED = script(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if (redis.call('GET', KEYS[2]) or ARGV[1]) ~= ARGV[1] then return 0 end
local at = 3
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  redis.call('XADD', KEYS[1], '*', unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
redis.call('SET', KEYS[2], ARGV[2])
return 1`)

/** Entries of a stream after an id, oldest first. */
export async function entriesAfter(
  redis: RedisClient,
  stream: string,
  after: string,
  count: number,
): Promise<readonly StoredEntry[]> {
  const replies = (await redis.xrange(stream, `(${after}`, '+', 'COUNT', count)) as EntryReply[]
  return replies.map(([id, fields]) => ({ id, fields: recordOf(fields ?? []) }))
}

/** Entries of a stream before an id, newest first. */
export async function entriesBefore(
  redis: RedisClient,
  stream: string,
  before: string,
  count: number,
): Promise<readonly StoredEntry[]> {
  const from = before === '+' ? '+' : `(${before}`
  const replies = (await redis.xrevrange(stream, from, '-', 'COUNT', count)) as EntryReply[]
  return replies.map(([id, fields]) => ({ id, fields: recordOf(fields ?? []) }))
}

/** Looks at and changes what a group has put aside in Redis. */
export function redisOperations(
  redis: RedisClient,
  prefix: string,
  tag: string,
  group: string,
): GroupOperations {
  const keys = groupKeys(prefix, tag, group)
  return {
    deadLetters: (after, count) => entriesAfter(redis, keys.dead, after, count),
    parked: (after, count) => entriesAfter(redis, keys.parked, after, count),
    redrive: async (id) => (await runScript(redis, REDRIVE, [keys.dead, keys.again], [id])) === 1,
    async purge(id) {
      const [entry] = await redis.xrange(keys.dead, id, id)
      if (!entry) return false
      const key = recordOf(entry[1])[':key'] ?? ''
      const touched = [keys.dead, keys.held, behindKey(keys, key), keys.again]
      return (await runScript(redis, PURGE, touched, [id, key])) === 1
    },
    health: () => healthOf(redis, prefix, tag, group),
    async create(after) {
      await runScript(redis, ENSURE_GROUP, [keys.stream], [group, after])
      await runScript(redis, ENSURE_GROUP, [keys.again], [group, '0-0'])
    },
    async fed() {
      const [position, waiting] = await Promise.all([redis.get(keys.fed), redis.xlen(keys.again)])
      return { position: position ?? undefined, waiting }
    },
    async feed(entries, { after, until }) {
      const args = entries.flatMap(({ id, fields }) => {
        const flat = Object.entries({ ...fields, [NOTE.archived]: id }).flat()
        return [flat.length, ...flat]
      })
      return (await runScript(redis, FEED, [keys.again, keys.fed], [after, until, ...args])) === 1
    },
    async remove() {
      const behind = (await redis.hkeys(keys.held)).map((key) => behindKey(keys, key))
      await redis.del(keys.due, keys.again, keys.parked, keys.held, keys.leader, keys.fed, ...behind)
      await redis.xgroup('DESTROY', keys.stream, group)
    },
  }
}

async function healthOf(
  redis: RedisClient,
  prefix: string,
  tag: string,
  group: string,
): Promise<GroupHealth> {
  const keys = groupKeys(prefix, tag, group)
  const [at, due, again, parked, dead] = await Promise.all([
    groupPosition(redis, keys.stream, group),
    redis.zcard(keys.due),
    redis.xlen(keys.again),
    redis.xlen(keys.parked),
    redis.xlen(keys.dead),
  ])
  const first = (await redis.xrange(keys.stream, `(${at.mark}`, '+', 'COUNT', 1)) as EntryReply[]
  const lag =
    at.lag ?? (await redis.xrange(keys.stream, `(${at.lastDelivered}`, '+', 'COUNT', MAX_COUNTED)).length
  const oldest = first[0]?.[0]
  return {
    lag: lag + again,
    pending: at.pending,
    due,
    parked,
    dead,
    oldestMs: oldest === undefined ? undefined : millisecondsOf(oldest),
  }
}
