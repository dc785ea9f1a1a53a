import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { scriptNames } from './events/redis/script-names.ts'
import { guardCommands } from './redis-breaker.ts'
import { observeCommands, type RedisObserver } from './redis-commands.ts'
import type { Breaker } from './resilience/breaker.ts'

export type { RedisObserver } from './redis-commands.ts'

export type RedisClient = Redis | Cluster

export interface RedisConnectionOptions {
  /** Shown by `CLIENT LIST`. */
  readonly name: string
  /** Longest wait for a connection, and for an answer. */
  readonly timeoutMs: number
  /** Told of every lost or refused connection; ioredis goes on trying. */
  readonly onError?: (error: Error) => void
  /** Told about every command. */
  readonly observer?: RedisObserver | undefined
  /** Stands before every command. */
  readonly breaker?: Breaker | undefined
}

type Behaviour = Pick<
  RedisOptions,
  | 'autoResendUnfulfilledCommands'
  | 'autoResubscribe'
  | 'commandTimeout'
  | 'connectionName'
  | 'connectTimeout'
  | 'enableOfflineQueue'
  | 'lazyConnect'
  | 'maxRetriesPerRequest'
  | 'retryStrategy'
  | 'socketTimeout'
>

interface RedisAddress {
  readonly scheme: 'redis' | 'rediss' | 'redis+sentinel' | 'redis+cluster'
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly path: readonly string[]
  readonly username?: string
  readonly password?: string
}

const maxReconnectDelayMs = 2000

/**
 * A Redis client by URL, not yet connected; whoever creates it closes it.
 *
 * `redis://user:password@host:6379/0`, `rediss://` with TLS, `redis+sentinel://host:26379,host:26379/master-name/0`,
 * `redis+cluster://host:6379,host:6379`. Commands fail at once while there is no connection and are never sent twice:
 * the caller decides what a lost answer means.
 */
export function createRedisClient(
  url: string,
  { name, timeoutMs, onError, observer, breaker }: RedisConnectionOptions,
): RedisClient {
  const client = connect(parseRedisUrl(url), { name, timeoutMs })
  if (breaker) guardCommands(client, breaker)
  if (observer) observeCommands(client, observer, { connection: 'service', scripts: scriptNames })
  // Without a listener ioredis writes to standard error by itself.
  client.on('error', (error: Error) => onError?.(error))
  return client
}

/**
 * Connections for `redisTransports`, by URL, in whose options it says how each is to fail. Opens at once what it is
 * asked for; whoever asks closes it.
 */
export function eventConnector(
  url: string,
  { name, timeoutMs, observer }: Omit<RedisConnectionOptions, 'onError' | 'breaker'>,
): (purpose: string, options: Behaviour) => RedisClient {
  const address = parseRedisUrl(url)
  return (purpose, options) => {
    const client = open(address, {
      connectionName: `${name}:${purpose}`,
      connectTimeout: timeoutMs,
      ...options,
    })
    if (observer) observeCommands(client, observer, { connection: purpose, scripts: scriptNames })
    return client
  }
}

function connect(
  address: RedisAddress,
  { name, timeoutMs }: Pick<RedisConnectionOptions, 'name' | 'timeoutMs'>,
): RedisClient {
  return open(address, {
    connectionName: name,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: reconnectDelayMs,
    lazyConnect: true,
    enableOfflineQueue: false,
  })
}

function open(
  { scheme, hosts, path, ...credentials }: RedisAddress,
  { lazyConnect = false, enableOfflineQueue = true, retryStrategy = reconnectDelayMs, ...own }: Behaviour,
): RedisClient {
  const common = { lazyConnect, enableOfflineQueue }
  const connection = { ...credentials, ...own }
  if (scheme === 'redis+cluster') {
    const clusterRetryStrategy = (attempt: number) => retryStrategy?.(attempt) ?? null
    const options = { ...common, redisOptions: connection, clusterRetryStrategy, clusterNodeRetryStrategy }
    return new Cluster([...hosts], options)
  }
  const options = { ...common, ...connection, retryStrategy }
  if (scheme === 'redis+sentinel') {
    const [master = 'mymaster', db = '0'] = path
    return new Redis({ ...options, sentinels: [...hosts], name: master, db: Number(db), reconnectOnError })
  }
  const { host = 'localhost', port = 6379 } = hosts[0] ?? {}
  return new Redis({
    ...options,
    host,
    port,
    db: Number(path[0] ?? 0),
    ...(scheme === 'rediss' && { tls: {} }),
  })
}

/**
 * Without a strategy the cluster sends again what a node that went away may have done already. With one, what was on its
 * way fails; a node that does not come back at once is looked for anew.
 */
function clusterNodeRetryStrategy(attempt: number): number | null {
  return attempt === 1 ? 50 : null
}

/** A master that was made a replica: the sentinels know the new one. */
function reconnectOnError(error: Error): boolean {
  return error.message.startsWith('READONLY')
}

function reconnectDelayMs(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 10), maxReconnectDelayMs)
}

/** The `URL` class knows only one host: several are split here. */
function parseRedisUrl(text: string): RedisAddress {
  const match = /^(rediss?|redis\+sentinel|redis\+cluster):\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^?]*))?/.exec(
    text,
  )
  if (!match) throw new TypeError('not a Redis URL')
  const [, scheme, userInfo = '', hostList = '', path = ''] = match
  const [username = '', password = ''] = userInfo.split(':').map(decodeURIComponent)
  const defaultPort = scheme === 'redis+sentinel' ? 26_379 : 6379
  return {
    scheme: scheme as RedisAddress['scheme'],
    hosts: hostList.split(',').map((entry) => parseHost(entry, defaultPort)),
    path: path.split('/').filter(Boolean),
    ...(username && { username }),
    ...(password && { password }),
  }
}

/** `host:port`, `host`, `[::1]:port`. */
function parseHost(entry: string, defaultPort: number): { host: string; port: number } {
  const [, ipv6, name = '', port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? []
  return { host: ipv6 ?? name, port: port === undefined ? defaultPort : Number(port) }
}
