import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigurationError } from '@kiln/shared/settings'
import packageJson from '../../package.json' with { type: 'json' }
import { describeConfig, loadConfig } from '../../src/config.ts'
import { testEnvironment, testSecret } from '../support/service.ts'

function problemsOf(env: Record<string, string>): Record<string, string> {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigurationError) {
      return Object.fromEntries(error.problems.map(({ name, message }) => [name, message]))
    }
    throw error
  }
  return {}
}

const withProblem = (overrides: Record<string, string>) => problemsOf(testEnvironment(overrides))

describe('defaults', () => {
  test('only the two URLs and the key are required', () => {
    expect(Object.keys(problemsOf({}))).toEqual([
      'SERVICE_DATABASE_URL',
      'SERVICE_REDIS_URL',
      'SERVICE_JWT_SECRET_KEY',
    ])
  })

  test('the name is that of package.json', () => {
    expect(loadConfig(testEnvironment())).toMatchObject({
      serviceName: packageJson.name,
      debug: false,
      host: '0.0.0.0',
      port: 8000,
      logLevel: 'INFO',
      logFormat: 'json',
    })
  })

  test('an empty value counts as unset', () => {
    expect(loadConfig(testEnvironment({ SERVICE_PORT: '' })).port).toBe(8000)
    expect(withProblem({ SERVICE_JWT_SECRET_KEY: '' })).toHaveProperty('SERVICE_JWT_SECRET_KEY')
  })

  test('NODE_ENV changes nothing', () => {
    const expected = loadConfig(testEnvironment())

    expect(loadConfig(testEnvironment({ NODE_ENV: 'development' }))).toEqual(expected)
    expect(loadConfig(testEnvironment({ NODE_ENV: 'production' }))).toEqual(expected)
  })
})

describe('development mode', () => {
  test('turns on text logs at DEBUG, unless another is said', () => {
    const debug = { SERVICE_DEBUG: 'true' }

    expect(loadConfig(testEnvironment(debug))).toMatchObject({ logLevel: 'DEBUG', logFormat: 'text' })
    expect(
      loadConfig(testEnvironment({ ...debug, SERVICE_LOG_LEVEL: 'warn', SERVICE_LOG_FORMAT: 'json' })),
    ).toMatchObject({
      logLevel: 'WARN',
      logFormat: 'json',
    })
  })

  test('alone allows memory://, but for a single replica that accepts the loss', () => {
    const memory = { SERVICE_REDIS_URL: 'memory://' }

    expect(withProblem(memory)).toHaveProperty('SERVICE_REDIS_URL')
    expect(withProblem({ ...memory, SERVICE_DEBUG: 'true' })).toEqual({})
    expect(withProblem({ ...memory, SERVICE_SINGLE_REPLICA: 'true' })).toEqual({})
  })
})

describe('values', () => {
  test.each([
    ['SERVICE_PORT', 'abc'],
    ['SERVICE_PORT', '70000'],
    ['SERVICE_PORT', '-1'],
    ['SERVICE_PORT', '80.5'],
    ['SERVICE_PORT', 'tcp://10.0.0.1:80'],
    ['SERVICE_DEBUG', 'maybe'],
    ['SERVICE_LOG_LEVEL', 'LOUD'],
    ['SERVICE_LOG_FORMAT', 'xml'],
    ['SERVICE_SERVICE_NAME', 'My Service'],
    ['SERVICE_DATABASE_URL', 'mysql://host/name'],
    ['SERVICE_DATABASE_URL', 'postgres://host'],
    ['SERVICE_REDIS_URL', 'http://host'],
    ['SERVICE_EVENTS_SHARDS', 'user=four'],
    ['SERVICE_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['SERVICE_RATE_LIMIT_ADDRESS', '-5'],
    ['SERVICE_MAX_CONCURRENT_REQUESTS', '-5'],
    ['SERVICE_SHED_LAG_MS', '-1'],
    ['SERVICE_EVENTS_WAIT_REPLICAS', '-1'],
    ['SERVICE_DATABASE_POOL_MAX', '5000'],
    ['SERVICE_SHUTDOWN_TIMEOUT_MS', '1e9'],
  ])('%s=%s is refused by name, without the value', (name, value) => {
    const problems = withProblem({ [name]: value })

    expect(Object.keys(problems)).toEqual([name])
    expect(problems[name]).not.toContain(value)
  })

  test.each([
    ['info', 'INFO'],
    ['Warning', 'WARN'],
    ['CRITICAL', 'FATAL'],
  ])('the level %s is %s', (value, level) => {
    expect(loadConfig(testEnvironment({ SERVICE_LOG_LEVEL: value })).logLevel).toBe(level as 'INFO')
  })

  test('an inbox that forgets what may come again is refused', () => {
    const problems = withProblem({ SERVICE_EVENTS_INBOX_DAYS: '6' })

    expect(Object.keys(problems)).toEqual(['SERVICE_EVENTS_INBOX_DAYS'])
    expect(withProblem({ SERVICE_EVENTS_INBOX_DAYS: '7' })).toEqual({})
  })

  test('the scheme of a Python driver is accepted', () => {
    const url = 'postgresql+asyncpg://user:pass@postgres:5432/mydb'

    expect(loadConfig(testEnvironment({ SERVICE_DATABASE_URL: url })).databaseUrl).toBe(
      'postgres://user:pass@postgres:5432/mydb',
    )
  })

  test.each([
    ['redis://h:6379/0'],
    ['rediss://user:pw@h'],
    ['redis+sentinel://a:1,b:2/name/0'],
    ['redis+cluster://a:1,b:2'],
  ])('%s is a Redis URL', (url) => {
    expect(loadConfig(testEnvironment({ SERVICE_REDIS_URL: url })).redisUrl).toBe(url)
  })
})

describe('the signing key', () => {
  test.each([
    ['the one of the manual', 'your-secret-key'],
    ['31 bytes', testSecret.slice(0, 31)],
    ['a sample stretched to the length', 'your-secret-key-change-in-production'],
    ['a sample in other letters', 'SuperSecretKey-SuperSecretKey-2026'],
    ['one character again and again', 'a'.repeat(64)],
    ['two characters again and again', 'ab'.repeat(32)],
    ['the digits', '12345678901234567890123456789012'],
  ])('%s is refused and not shown', (_, key) => {
    const problems = withProblem({ SERVICE_JWT_SECRET_KEY: key })

    expect(Object.keys(problems)).toEqual(['SERVICE_JWT_SECRET_KEY'])
    expect(problems.SERVICE_JWT_SECRET_KEY).not.toContain(key)
  })

  test('random ones are accepted', () => {
    for (const encoding of ['base64', 'hex', 'base64url'] as const) {
      for (let count = 0; count < 200; count += 1) {
        expect(withProblem({ SERVICE_JWT_SECRET_KEY: randomBytes(32).toString(encoding) })).toEqual({})
      }
    }
  })
})

describe('secrets in files', () => {
  let folder: string
  let file: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'secrets-'))
    file = join(folder, 'jwt')
    writeFileSync(file, `${testSecret}\n`)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('a file gives the value, without its last line break', () => {
    const env = testEnvironment({ SERVICE_JWT_SECRET_KEY: '', SERVICE_JWT_SECRET_KEY_FILE: file })

    expect(loadConfig(env).jwtSecretKey).toBe(testSecret)
  })

  test('each of the three secrets has its file variable, other settings have not', () => {
    const names = ['DATABASE_URL', 'REDIS_URL', 'JWT_SECRET_KEY', 'PORT']
    const env = Object.fromEntries(names.map((name) => [`SERVICE_${name}_FILE`, join(folder, 'missing')]))

    const problems = problemsOf(env)

    expect(Object.keys(problems)).toEqual([
      'SERVICE_DATABASE_URL_FILE',
      'SERVICE_REDIS_URL_FILE',
      'SERVICE_JWT_SECRET_KEY_FILE',
    ])
    expect(problems.SERVICE_DATABASE_URL_FILE).toContain('ENOENT')
  })

  test('a value and a file at once are refused', () => {
    expect(withProblem({ SERVICE_JWT_SECRET_KEY_FILE: file })).toEqual({
      SERVICE_JWT_SECRET_KEY_FILE: 'must not be set together with SERVICE_JWT_SECRET_KEY',
    })
  })

  test('a weak key in a file is reported by the name of the file variable', () => {
    const weak = join(folder, 'weak')
    writeFileSync(weak, 'short')

    const problems = withProblem({ SERVICE_JWT_SECRET_KEY: '', SERVICE_JWT_SECRET_KEY_FILE: weak })

    expect(Object.keys(problems)).toEqual(['SERVICE_JWT_SECRET_KEY_FILE'])
  })
})

test('a description masks every secret, in URLs only the password', () => {
  const url = 'postgres://user:planted@host:5432/name?sslmode=require'

  const description = describeConfig(loadConfig(testEnvironment({ SERVICE_DATABASE_URL: url })))

  expect(description.SERVICE_DATABASE_URL).toBe('postgres://user:***@host:5432/name')
  expect(description.SERVICE_JWT_SECRET_KEY).toBe('***')
  expect(JSON.stringify(description)).not.toContain(testSecret)
})
