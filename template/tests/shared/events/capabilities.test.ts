import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { capabilitiesOf, detectCapabilities } from '../../../../shared/events/redis/capabilities.ts'
import { hasRedisServer, startRedis } from './support/redis-server.ts'

setDefaultTimeout(20_000)

async function warningsOf(extra: readonly string[]): Promise<readonly string[]> {
  const redis = await startRedis(extra)
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) }
  try {
    const { server, version } = await detectCapabilities(redis.client, logger)
    expect(server).toBeOneOf(['redis', 'valkey'])
    expect(version.split('.')).toHaveLength(3)
  } finally {
    await redis.stop()
  }
  return warnings
}

describe.skipIf(!hasRedisServer)('at the start', () => {
  test('a server that keeps what it is given raises no warning', async () => {
    expect(await warningsOf([])).toEqual([])
  })

  test('a server that evicts, or persists nothing, is warned of', async () => {
    const warnings = await warningsOf([
      '--appendonly',
      'no',
      '--maxmemory',
      '100mb',
      '--maxmemory-policy',
      'allkeys-lru',
    ])

    expect(warnings.map((warning) => warning.split(':')[0])).toEqual([
      'the event server evicts keys when memory is short',
      'the event server persists nothing',
    ])
  })
})

test('newer commands are known by version, and a sound one is required where the first was not', () => {
  expect(capabilitiesOf('redis', '7.0.15')).toMatchObject({
    waitAof: false,
    ackAndDelete: false,
    readClaims: false,
  })
  expect(capabilitiesOf('redis', '8.2.2').ackAndDelete).toBe(false)
  expect(capabilitiesOf('redis', '8.6.2')).toMatchObject({
    ackAndDelete: true,
    readClaims: true,
    idempotentAdd: true,
  })
  expect(capabilitiesOf('valkey', '9.0.0')).toMatchObject({ waitAof: true, readClaims: false })
})
