import type { Cluster, Redis, RedisOptions } from 'ioredis'

export type RedisClient = Redis | Cluster

/** What a connection is for; one of each per process, and one `read` per subscription and tag. */
export type Purpose = 'publish' | 'commands' | 'read' | 'listen'

export type ConnectionOptions = Pick<
  RedisOptions,
  | 'enableOfflineQueue'
  | 'autoResendUnfulfilledCommands'
  | 'maxRetriesPerRequest'
  | 'retryStrategy'
  | 'autoResubscribe'
  | 'socketTimeout'
>

/**
 * Makes a connection with the given options on top of the caller's own. Whoever asked for it closes it.
 *
 * With Cluster, `options` belong into `redisOptions`, `enableOfflineQueue` on the cluster as well.
 */
export type Connect = (purpose: Purpose, options: ConnectionOptions) => RedisClient

const reconnectInMs = (times: number) => Math.min(times * 50, 1000)

// Without 0 here ioredis neither resends nor rejects what was on its way when the connection broke: it hangs.
const FAIL_ON_BREAK = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
}

/**
 * The options each purpose needs to keep the delivery contract: nothing is sent later than asked, or twice. What a
 * broken connection may have done is found out by whoever sent it.
 *
 * @param timeoutMs after this without a byte a command's connection counts as broken.
 */
export function connectionOptions(purpose: Purpose, timeoutMs: number): ConnectionOptions {
  if (purpose === 'listen') {
    return { autoResubscribe: true, maxRetriesPerRequest: null, retryStrategy: reconnectInMs }
  }
  const options = { ...FAIL_ON_BREAK, retryStrategy: reconnectInMs }
  // Publishing and reading watch their own time.
  return purpose === 'commands' ? { ...options, socketTimeout: timeoutMs } : options
}

/** Resolves once the connection can be written to. @throws its last error after `timeoutMs`. */
export function ready(client: RedisClient, timeoutMs: number): Promise<void> {
  if (client.status === 'ready') return Promise.resolve()
  return new Promise((resolve, reject) => {
    let last: unknown = new Error('the event server did not answer')
    const keep = (error: unknown) => {
      last = error
    }
    const end = (settle: () => void) => () => {
      clearTimeout(timer)
      client.off('ready', isReady)
      client.off('error', keep)
      settle()
    }
    const isReady = end(resolve)
    const timer = setTimeout(
      end(() => reject(last)),
      timeoutMs,
    )
    client.on('ready', isReady)
    client.on('error', keep)
  })
}

/** Rejects when a reply takes longer than `timeoutMs`, and drops the connection, whose later replies would be stale. */
export async function within<T>(client: RedisClient, timeoutMs: number, reply: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`the event server did not answer within ${timeoutMs} ms`))
      client.disconnect(true)
    }, timeoutMs)
  })
  try {
    return await Promise.race([reply, late])
  } finally {
    clearTimeout(timer)
  }
}
