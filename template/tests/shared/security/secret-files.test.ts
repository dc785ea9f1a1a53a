import { afterAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fillSecrets } from '@kiln/shared/security'

const addresses = {
  databaseUrl: new URL('postgres://service@postgres:5432/service'),
  redisUrl: new URL('redis://redis:6379/0'),
}

describe('filling a folder with secrets', () => {
  const folders: string[] = []
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true })
  })

  function newFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'secrets-'))
    folders.push(folder)
    return join(folder, 'secrets')
  }
  const readAll = (folder: string) =>
    Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))

  test('makes random secrets, and addresses that hold them', async () => {
    const folder = newFolder()

    const secrets = await fillSecrets(folder, addresses)

    const files = readAll(folder)
    expect(secrets).toEqual([
      { name: 'jwt-secret-key', made: true },
      { name: 'database-password', made: true },
      { name: 'redis-password', made: true },
      { name: 'database-url', made: true },
      { name: 'redis-url', made: true },
    ])
    for (const name of ['jwt-secret-key', 'database-password', 'redis-password'])
      expect(files[name]).toMatch(/^[\w-]{43}$/)
    expect(files['database-url']).toBe(
      `postgres://service:${files['database-password']}@postgres:5432/service`,
    )
    expect(files['redis-url']).toBe(`redis://:${files['redis-password']}@redis:6379/0`)
    expect(Object.keys(files)).toHaveLength(5)
  })

  test('lets owner and group read, whatever the umask', async () => {
    const folder = newFolder()
    const umask = process.umask(0o077)

    await fillSecrets(folder, {}).finally(() => process.umask(umask))

    expect(statSync(join(folder, 'jwt-secret-key')).mode & 0o777).toBe(0o440)
  })

  test('a second time changes nothing', async () => {
    const folder = newFolder()
    await fillSecrets(folder, addresses)
    const before = readAll(folder)

    const again = await fillSecrets(folder, addresses)

    expect(again.filter(({ made }) => made)).toEqual([])
    expect(readAll(folder)).toEqual(before)
  })

  test('twice at the same time gives one set of secrets', async () => {
    const folder = newFolder()

    const outcomes = await Promise.all(Array.from({ length: 8 }, () => fillSecrets(folder, addresses)))

    const files = readAll(folder)
    expect(outcomes.flat().filter(({ made }) => made)).toHaveLength(5)
    expect(files['database-url']).toContain(`:${files['database-password']}@`)
    expect(Object.keys(files)).toHaveLength(5)
  })

  test('a password that was there goes into the address, whatever its letters', async () => {
    const folder = newFolder()
    await fillSecrets(folder, {})
    chmodSync(join(folder, 'database-password'), 0o600)
    writeFileSync(join(folder, 'database-password'), 'a/b@c:%d\n')

    await fillSecrets(folder, addresses)

    const url = new URL(readFileSync(join(folder, 'database-url'), 'utf8'))
    expect(decodeURIComponent(url.password)).toBe('a/b@c:%d')
    expect(url.host).toBe('postgres:5432')
  })

  test('an empty password is refused', async () => {
    const folder = newFolder()
    await fillSecrets(folder, {})
    chmodSync(join(folder, 'redis-password'), 0o600)
    writeFileSync(join(folder, 'redis-password'), '')

    await expect(fillSecrets(folder, addresses)).rejects.toThrow('redis-password is empty')
  })
})
