import type { SubscriptionRecord, SubscriptionStore } from '../store.ts'
import type { RedisClient } from './connections.ts'

type Declared = Omit<SubscriptionRecord, 'paused' | 'heardAtMs'>

/** Keeps subscriptions in Redis, for services without a database: a flush forgets their low-water marks. */
export function redisStore(redis: RedisClient, prefix: string): SubscriptionStore {
  const declared = `${prefix}:{subscriptions}`
  const heardAt = `${declared}:heard`
  const paused = `${declared}:paused`
  const marks = `${declared}:marks`
  const markField = (group: string, tag: string) => `${group} ${tag}`

  return {
    exclusive: false,
    async register({ heardAtMs, ...record }) {
      await redis.hset(declared, record.group, JSON.stringify(record))
      await redis.hset(heardAt, record.group, heardAtMs)
    },
    async list() {
      const [records, heard, stopped] = await Promise.all([
        redis.hgetall(declared),
        redis.hgetall(heardAt),
        redis.smembers(paused),
      ])
      return Object.entries(records).map(([group, text]) => ({
        ...(JSON.parse(text) as Declared),
        paused: stopped.includes(group),
        heardAtMs: Number(heard[group] ?? 0),
      }))
    },
    async heard(group, atMs) {
      await redis.hset(heardAt, group, atMs)
    },
    async setPaused(group, isPaused) {
      if ((await redis.hexists(declared, group)) === 0) return false
      await (isPaused ? redis.sadd(paused, group) : redis.srem(paused, group))
      return true
    },
    async isPaused(group) {
      return (await redis.sismember(paused, group)) === 1
    },
    async mark(group, tag) {
      return (await redis.hget(marks, markField(group, tag))) ?? undefined
    },
    async saveMark(group, tag, mark) {
      await redis.hset(marks, markField(group, tag), mark)
    },
    async remove(group) {
      const text = await redis.hget(declared, group)
      const { tags } = text === null ? { tags: [] } : (JSON.parse(text) as Declared)
      if (tags.length > 0) await redis.hdel(marks, ...tags.map((tag) => markField(group, tag)))
      await redis.hdel(declared, group)
      await redis.hdel(heardAt, group)
      await redis.srem(paused, group)
    },
  }
}
