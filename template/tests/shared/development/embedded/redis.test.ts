import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRedisBinary, type KeptServer, type RedisOptions, startRedis } from '@kiln/shared/embedded'
import { Redis } from 'ioredis'

setDefaultTimeout(30_000)

const scratch = mkdtempSync(join(tmpdir(), 'embedded-test-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const started: KeptServer[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()))
})

let folders = 0
const newFolder = () => join(scratch, `server-${++folders}`)

const binary = findRedisBinary() ?? ''

describe.skipIf(!binary)('an embedded Redis', () => {
  async function redis(options: Partial<RedisOptions> = {}): Promise<{ server: KeptServer; client: Redis }> {
    const server = await startRedis({ server: { binary }, ...options })
    started.push(server)
    const client = new Redis(server.url, { lazyConnect: true, retryStrategy: () => null })
    client.on('error', () => {})
    await client.connect()
    return { server, client }
  }

  test('listens on the loopback address, and refuses writes rather than evict', async () => {
    const { client } = await redis()

    expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1'])
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
    client.disconnect()
  })

  test('keeps what was written when its folder is named, over kill -9 and a restart', async () => {
    const { server, client } = await redis({ folder: newFolder() })
    const { pid, port } = server
    await client.set('kept', 42)
    process.kill(pid, 'SIGKILL')
    expect(await server.crashed).toContain('Redis ended by itself')

    await server.restart()

    const again = new Redis(server.url)
    expect([server.port, await again.get('kept')]).toEqual([port, '42'])
    expect(server.pid).not.toBe(pid)
    again.disconnect()
  })

  test('is refused to a second owner', async () => {
    const folder = newFolder()
    const { client } = await redis({ folder })

    await expect(redis({ folder })).rejects.toThrow('in use by process')
    client.disconnect()
  })

  test('that cannot be run is an error', async () => {
    await expect(startRedis({ server: { binary: '/missing/redis-server' } })).rejects.toThrow(
      '/missing/redis-server',
    )
  })
})
