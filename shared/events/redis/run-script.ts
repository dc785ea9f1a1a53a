import { createHash } from 'node:crypto'
import type { RedisClient } from './connections.ts'

/** A Lua script and the SHA-1 that Redis knows it by. */
export interface Script {
  readonly source: string
  readonly sha: string
}

export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/**
 * Runs a script by its hash, sending the source only when the server does not know it.
 *
 * @see https://redis.io/docs/latest/commands/evalsha/
 */
export async function runScript(
  redis: RedisClient,
  { source, sha }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return await redis.eval(source, keys.length, ...keys, ...args)
  }
}
