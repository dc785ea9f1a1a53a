import { describe, expect, test } from 'bun:test'
import { chooseRedis, type RedisLookups } from '@kiln/shared/embedded'

const url = 'redis://elsewhere'
const everything: RedisLookups = {
  binary: () => '/bin/valkey-server',
  docker: () => true,
  mayInstall: () => true,
}
const nothing: RedisLookups = { binary: () => undefined, docker: () => false, mayInstall: () => false }

describe('the Redis for the tests', () => {
  test('is the one in the environment before any other', () => {
    expect(chooseRedis({ TEST_REDIS_URL: url, CI: 'true' }, everything)).toEqual({ from: 'environment', url })
    expect(chooseRedis({ TEST_REDIS_URL: '' }, everything)).toMatchObject({ from: 'path' })
  })

  test('is a program on the PATH before Docker', () => {
    expect(chooseRedis({}, everything)).toEqual({ from: 'path', binary: '/bin/valkey-server' })
    expect(chooseRedis({}, { ...everything, binary: () => undefined })).toMatchObject({ from: 'docker' })
  })

  test('is installed in CI alone', () => {
    const mayInstall = { ...nothing, mayInstall: () => true }

    expect(chooseRedis({ CI: 'true' }, mayInstall)).toEqual({ from: 'apt' })
    expect(chooseRedis({}, mayInstall)).toEqual({ from: 'nowhere', required: false })
  })

  test('is required in CI', () => {
    expect(chooseRedis({ CI: 'true' }, nothing)).toEqual({ from: 'nowhere', required: true })
    expect(chooseRedis({ CI: 'false' }, nothing)).toEqual({ from: 'nowhere', required: false })
  })
})
