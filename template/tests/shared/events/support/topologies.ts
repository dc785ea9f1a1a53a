import { fileURLToPath } from 'node:url'
import { startRedis as startKeptRedis } from '@kiln/shared/embedded'
import { Redis } from 'ioredis'
import type { Connect } from '../../../../../shared/events/redis/connections.ts'
import { until } from '../../../support/processes.ts'
import { clusterPort, connector, type RedisServer, type StartOptions, startRedis } from './redis-server.ts'

const SLOTS = 16_384

/** Several servers that a service reaches by one URL. */
export interface Topology {
  readonly url: string
  readonly connect: Connect
  readonly servers: readonly RedisServer[]
  stop(): Promise<void>
}

/** A cluster of three masters, each with a third of the slots: what spans two slots fails. */
export async function startCluster({ program }: StartOptions = {}): Promise<Topology> {
  const args = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']
  const servers = await Promise.all(
    [0, 1, 2].map(async () => startRedis(args, { program, port: await clusterPort() })),
  )
  for (const [at, { client }] of servers.entries()) {
    const bound = (node: number) => Math.floor((SLOTS * node) / servers.length)
    await client.call('CLUSTER', 'ADDSLOTSRANGE', `${bound(at)}`, `${bound(at + 1) - 1}`)
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', `${at + 1}`)
  }
  const [first, ...others] = servers as [RedisServer, ...RedisServer[]]
  for (const { port } of others) await first.client.call('CLUSTER', 'MEET', '127.0.0.1', `${port}`)
  await until('a cluster that knows itself', async () => {
    const infos = await Promise.all(servers.map(({ client }) => client.call('CLUSTER', 'INFO')))
    return infos.every((info) =>
      /cluster_state:ok[\s\S]*cluster_slots_ok:16384[\s\S]*known_nodes:3/.test(`${info}`),
    )
  })
  const url = `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  return topology(url, servers)
}

/** A master, its replica, and a sentinel that watches them under the name `events`. */
export async function startSentinel(): Promise<Topology & { failOver(): Promise<void> }> {
  const master = await startRedis(['--repl-diskless-sync-delay', '0'])
  const replica = await startRedis(['--replicaof', '127.0.0.1', `${master.port}`])
  const sentinel = await startKeptRedis({
    server: { binary: fileURLToPath(new URL('sentinel.sh', import.meta.url)) },
    args: ['--sentinel'],
  })
  const ask = new Redis(sentinel.url, { maxRetriesPerRequest: null })
  ask.on('error', () => {})
  await until('a replica that has caught up', async () =>
    (await replica.client.info('replication')).includes('master_link_status:up'),
  )
  await ask.call('SENTINEL', 'MONITOR', 'events', '127.0.0.1', `${master.port}`, '1')
  await until('a sentinel that knows the replica', async () => {
    const replicas = (await ask.call('SENTINEL', 'REPLICAS', 'events')) as string[][]
    return replicas.some((fields) => fields.includes(`${replica.port}`) && fields.includes('slave'))
  })
  const { stop, ...rest } = topology(`redis+sentinel://127.0.0.1:${sentinel.port}/events`, [master, replica])
  return {
    ...rest,
    /** Promotes the replica; resolves once it takes writes and the old master follows it. */
    async failOver() {
      await until('a failover begun', () =>
        ask.call('SENTINEL', 'FAILOVER', 'events').then(
          () => true,
          () => false,
        ),
      )
      await until('a promoted replica', async () =>
        (await replica.client.info('replication')).includes('role:master'),
      )
      await until('an old master that follows', async () =>
        (await master.client.info('replication')).includes('role:slave'),
      )
    },
    async stop() {
      ask.disconnect()
      await sentinel.stop()
      await stop()
    },
  }
}

function topology(url: string, servers: readonly RedisServer[]): Topology {
  const { connect, close } = connector(url)
  return {
    url,
    connect,
    servers,
    async stop() {
      close()
      await Promise.all(servers.map((server) => server.stop()))
    },
  }
}
