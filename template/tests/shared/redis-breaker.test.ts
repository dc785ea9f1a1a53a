import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { findRedisBinary, type KeptServer, startRedis } from '@kiln/shared/embedded'
import { createRedisClient } from '@kiln/shared/redis'
import { createBreakers } from '@kiln/shared/resilience'
import { eventually } from '@kiln/shared/testing'

const binary = findRedisBinary() ?? ''

describe.skipIf(!binary)('a Redis', () => {
  let server: KeptServer
  beforeAll(async () => {
    server = await startRedis({ server: { binary } })
  })
  afterAll(() => server?.stop())

  async function connect(timeoutMs: number, openMs = 60_000) {
    const breaker = createBreakers({ breakerFailures: 3, breakerOpenMs: openMs }).redis
    const client = createRedisClient(server.url, { name: 'test', timeoutMs, breaker })
    await client.connect()
    return { client, breaker }
  }
  const failed = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: { code?: string; message?: string }) => error.code ?? error.message,
    )

  test('that stands still is not asked any more, until one command succeeds', async () => {
    const { client, breaker } = await connect(500, 50)

    process.kill(server.pid, 'SIGSTOP')
    const first = await Promise.all([1, 2, 3].map(() => failed(client.ping())))
    const refused = await Promise.all([1, 2, 3].map(() => failed(client.ping())))
    process.kill(server.pid, 'SIGCONT')
    await eventually(async () => expect(await client.ping()).toBe('PONG'))

    expect(first).toEqual(Array(3).fill('Command timed out'))
    expect(refused).toContain('DEPENDENCY_UNAVAILABLE')
    await eventually(() => expect(breaker.state).toBe('closed'))
    client.disconnect()
  })

  test('is given a pipeline whole or not at all', async () => {
    const { client, breaker } = await connect(2000, 50)
    const pipelined = () => client.pipeline().set('a', '1').get('a').exec()

    for (let at = 0; at < 3; at += 1) breaker.failed(new Error('away'))
    await eventually(() => expect(breaker.state).toBe('open'))
    const refused = await pipelined()
    const answered = await eventually(async () => {
      const results = await pipelined()
      expect(results?.[0]?.[0]).toBeNull()
      return results
    })

    expect(refused?.map(([error]) => (error as { code?: string } | null)?.code)).toEqual([
      'DEPENDENCY_UNAVAILABLE',
      'DEPENDENCY_UNAVAILABLE',
    ])
    expect(answered?.map(([, value]) => value)).toEqual(['OK', '1'])
    client.disconnect()
  })

  test('that refuses a command is asked on', async () => {
    const { client, breaker } = await connect(2000)
    await client.set('text', 'x')

    for (let at = 0; at < 5; at += 1) await failed(client.incr('text'))

    expect(breaker.state).toBe('closed')
    client.disconnect()
  })

  test('connects again though the breaker is open', async () => {
    const { client, breaker } = await connect(500, 50)

    process.kill(server.pid, 'SIGKILL')
    await eventually(async () => {
      await failed(client.ping())
      expect(breaker.state).toBe('open')
    })
    await server.restart()

    await eventually(async () => expect(await client.ping()).toBe('PONG'))
    client.disconnect()
  })
})
