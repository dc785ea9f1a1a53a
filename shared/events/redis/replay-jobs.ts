import type { ReplayJob, ReplayJobs } from '../replay-jobs.ts'
import type { RedisClient } from './connections.ts'
import { runScript, script } from './run-script.ts'

type Stored = Omit<ReplayJob, 'done' | 'status'>

/** KEYS statuses. ARGV id, status. Ends a job that runs. */
export const END_REPLAY = script(`
if redis.call('HGET', KEYS[1], ARGV[1]) ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`)

/** Keeps replays in Redis, for services without a database. */
export function redisReplayJobs(redis: RedisClient, prefix: string): ReplayJobs {
  const jobs = `${prefix}:{replays}`
  const statuses = `${jobs}:status`
  const progress = `${jobs}:done`
  return {
    async put({ done, status, ...job }) {
      await redis.hset(progress, job.id, done)
      await redis.hset(jobs, job.id, JSON.stringify(job))
      await redis.hset(statuses, job.id, status)
    },
    async list() {
      const [all, done, status] = await Promise.all([
        redis.hgetall(jobs),
        redis.hgetall(progress),
        redis.hgetall(statuses),
      ])
      return Object.entries(all)
        .map(([id, text]) => ({
          ...(JSON.parse(text) as Stored),
          done: Number(done[id] ?? 0),
          status: (status[id] ?? 'cancelled') as ReplayJob['status'],
        }))
        .sort((a, b) => b.createdAtMs - a.createdAtMs)
    },
    async advance(id, count) {
      await redis.hincrby(progress, id, count)
    },
    async end(id, status) {
      return (await runScript(redis, END_REPLAY, [statuses], [id, status])) === 1
    },
  }
}
