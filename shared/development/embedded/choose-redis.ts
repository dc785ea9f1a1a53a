import { spawnSync } from 'node:child_process'
import { findRedisBinary, hasDocker, onPath } from './redis.ts'

export type RedisChoice =
  | { readonly from: 'environment'; readonly url: string }
  | { readonly from: 'path'; readonly binary: string }
  | { readonly from: 'docker'; readonly image: string }
  | { readonly from: 'apt' }
  /** The tests that need Redis are skipped, or, where that would go unseen, the run fails. */
  | { readonly from: 'nowhere'; readonly required: boolean }

/** Questions to the machine, asked only as far as needed. */
export interface RedisLookups {
  binary(): string | undefined
  docker(): boolean
  /** Root, where there is apt-get. */
  mayInstall(): boolean
}

const image = 'redis:8'

export const howToGetRedis =
  'its tests are skipped. Type `sudo apt-get install redis-server` or `brew install redis`, start Docker, or set TEST_REDIS_URL'

export function chooseRedis(
  env: Readonly<Record<string, string | undefined>>,
  look: RedisLookups,
): RedisChoice {
  const isCi = env.CI === 'true'
  if (env.TEST_REDIS_URL) return { from: 'environment', url: env.TEST_REDIS_URL }
  const binary = look.binary()
  if (binary) return { from: 'path', binary }
  if (look.docker()) return { from: 'docker', image }
  if (isCi && look.mayInstall()) return { from: 'apt' }
  return { from: 'nowhere', required: isCi }
}

export const redisLookups: RedisLookups = {
  binary: findRedisBinary,
  docker: hasDocker,
  mayInstall: () => process.getuid?.() === 0 && onPath('apt-get').length > 0,
}

/**
 * Installs Debian's Redis without starting its service.
 *
 * @returns the program's path.
 * @throws {Error} with what apt-get wrote.
 */
export function installRedis(): string {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  for (const command of ['update', 'install --yes --no-install-recommends redis-server']) {
    const { status, stderr } = spawnSync('apt-get', ['-qq', ...command.split(' ')], { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`apt-get ${command}:\n${stderr}`)
  }
  const binary = findRedisBinary()
  if (!binary) throw new Error('the redis-server that apt-get installed is missing or older than Redis 7')
  return binary
}
