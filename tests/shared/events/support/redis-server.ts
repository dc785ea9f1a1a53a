import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, Redis } from 'ioredis'
import type { Connect, ConnectionOptions } from '../../../../shared/events/redis/connections.ts'

/** A private Redis on a free port, with an append-only file, that a test may freeze, kill and start again. */
export interface RedisServer {
  readonly port: number
  readonly pid: number
  readonly connect: Connect
  /** As `connect`, by the cluster protocol: for a server started with `startClusterNode`. */
  readonly connectCluster: Connect
  /** A plain client for the test itself; closed with the server. */
  readonly client: Redis
  signal(signal: NodeJS.Signals): void
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

export async function startRedis(extra: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort()
  const dir = await mkdtemp(join(tmpdir(), 'kiln-redis-'))
  const opened: (Redis | Cluster)[] = []
  let server: ChildProcess

  const start = async () => {
    const args = [
      '--port',
      `${port}`,
      '--bind',
      '127.0.0.1',
      '--dir',
      dir,
      '--save',
      '',
      '--appendonly',
      'yes',
    ]
    server = spawn('redis-server', [...args, '--appendfsync', 'no', ...extra], { stdio: 'ignore' })
    const probe = new Redis(port, '127.0.0.1', { retryStrategy: () => 20, maxRetriesPerRequest: null })
    probe.on('error', () => {})
    while ((await probe.ping().catch(() => '')) !== 'PONG')
      await new Promise((resolve) => setTimeout(resolve, 10))
    probe.disconnect()
  }
  const kill = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill('SIGKILL')
    await ended
  }
  const open = (options: ConnectionOptions) => {
    const client = new Redis(port, '127.0.0.1', options)
    client.on('error', () => {})
    opened.push(client)
    return client
  }

  await start()
  return {
    port,
    get pid() {
      return server.pid ?? 0
    },
    connect: (_purpose, options) => open(options),
    connectCluster: (_purpose, options) => {
      const { enableOfflineQueue = true } = options
      const redisOptions = { ...options, retryStrategy: null }
      const client = new Cluster([{ host: '127.0.0.1', port }], { redisOptions, enableOfflineQueue })
      client.on('error', () => {})
      opened.push(client)
      return client
    },
    client: open({ maxRetriesPerRequest: null, retryStrategy: () => 50 }),
    signal: (signal) => void server.kill(signal),
    kill,
    restart: async () => {
      await kill()
      await start()
    },
    stop: async () => {
      for (const client of opened) client.disconnect()
      await kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** A cluster of one node that owns every slot: what spans two slots fails as it would on many nodes. */
export async function startClusterNode(): Promise<RedisServer> {
  const redis = await startRedis(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'])
  await redis.client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  while (!String(await redis.client.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return redis
}
