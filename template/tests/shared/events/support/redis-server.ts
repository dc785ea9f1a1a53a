import { realpathSync } from 'node:fs'
import { findRedisBinary, freePort, onPath, startRedis as startKeptRedis } from '@kiln/shared/embedded'
import { Redis } from 'ioredis'
import type { Connect } from '../../../../../shared/events/redis/connections.ts'
import { eventConnector, type RedisClient } from '../../../../../shared/redis.ts'
import { isAlive, until } from '../../../support/processes.ts'

const binary = findRedisBinary()

/** For `describe.skipIf(!hasRedisServer)`: these tests freeze and kill servers of their own. */
export const hasRedisServer = binary !== undefined

/** Another Redis or Valkey to run the delivery suite on: `TEST_NEWER_REDIS`, or the next one on the PATH. */
export const newerRedisBinary: string | undefined = [
  process.env.TEST_NEWER_REDIS,
  ...onPath('redis-server'),
  ...onPath('valkey-server'),
].find((file) => file && binary && realpathSync(file) !== realpathSync(binary))

/** A private Redis with an append-only file that a test may freeze, kill and start again; its keeper ends it. */
export interface RedisServer {
  readonly port: number
  readonly pid: number
  readonly url: string
  readonly connect: Connect
  /** A plain client for the test itself; closed with the server. */
  readonly client: Redis
  signal(signal: NodeJS.Signals): void
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface StartOptions {
  /** Default the first one on the PATH. */
  readonly program?: string | undefined
  readonly port?: number
}

export async function startRedis(
  args: readonly string[] = [],
  { program = binary, port }: StartOptions = {},
): Promise<RedisServer> {
  if (program === undefined) throw new Error('there is no Redis: skip what needs it')
  const server = await startKeptRedis({
    server: { binary: program },
    appendOnly: true,
    args,
    ...(port !== undefined && { port }),
  })
  const { connect, close } = connector(server.url)
  const client = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  client.on('error', () => {})
  return {
    port: server.port,
    url: server.url,
    get pid() {
      return server.pid
    },
    connect,
    client,
    signal: (signal) => void process.kill(server.pid, signal),
    async kill() {
      process.kill(server.pid, 'SIGKILL')
      await until('the end of Redis', () => !isAlive(server.pid))
    },
    restart: () => server.restart(),
    async stop() {
      client.disconnect()
      close()
      await server.stop()
    },
  }
}

/** Connections by URL, as a service makes them, closed together. */
export function connector(url: string): { readonly connect: Connect; close(): void } {
  const opened: RedisClient[] = []
  const open = eventConnector(url, { name: 'test', timeoutMs: 5000 })
  return {
    connect(purpose, options) {
      const client = open(purpose, options)
      client.on('error', () => {})
      opened.push(client)
      return client
    },
    close() {
      for (const client of opened) client.disconnect()
    },
  }
}

/** A free port whose cluster bus, 10,000 further on, is a port as well. */
export async function clusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port < 55_000) return port
  }
}
