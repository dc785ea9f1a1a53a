import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import packageJson from '../../../package.json' with { type: 'json' }
import { createTestDatabase } from '../../../tests/support/database.ts'
import { isCompiled, runProgram, spawnProgram } from '../../../tests/support/process.ts'
import { testEnvironment, testSecret } from '../../../tests/support/service.ts'

setDefaultTimeout(30_000)

describe('the command line, from an empty folder', () => {
  let cwd: string
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let env: Record<string, string>

  beforeAll(async () => {
    cwd = mkdtempSync(join(tmpdir(), 'command-line-'))
    database = await createTestDatabase()
    env = testEnvironment({ SERVICE_DATABASE_URL: database.url })
  })
  afterAll(async () => {
    expect(readdirSync(cwd)).toEqual([])
    rmSync(cwd, { recursive: true })
    await database.drop()
  })
  const run = (args: string[], options: { env?: Record<string, string>; input?: string } = {}) =>
    runProgram(args, { cwd, env, ...options })

  test('migrations go up, are listed, and go down one at a time', async () => {
    const before = await run(['migrate', 'status'])
    const up = await run(['migrate', 'up'])
    const again = await run(['migrate', 'up'])
    const down = await run(['migrate', 'down'])
    const status = await run(['migrate', 'status', '--json'])
    await run(['migrate', 'up'])

    expect(before).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^shared\/0001-subscriptions {2}missing\n[\s\S]*\n0001-users {2}missing/),
    })
    expect(up).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^applied shared\/0001-subscriptions\n[\s\S]*\napplied 0001-users/),
    })
    expect(again).toMatchObject({ exitCode: 0, stdout: 'nothing to do\n' })
    expect(down).toMatchObject({ exitCode: 0, stdout: 'reverted 0004-ended-logins\n' })
    expect(status.exitCode).toBe(1)
    const listed = JSON.parse(status.stdout)
    expect(listed[0]).toEqual({ name: 'shared/0001-subscriptions', applied_at: expect.any(String) })
    expect(listed.at(-1)).toEqual({ name: '0004-ended-logins', applied_at: null })
  })

  test('the first admin is made with a password from standard input', async () => {
    const args = ['users', 'create', '--email', 'root@example.com', '--role', 'admin', '--password-stdin']

    const created = await run(args, { input: 'correct horse battery\n' })
    const again = await run(args, { input: 'correct horse battery\n' })
    const ifMissing = await run([...args, '--if-missing'], { input: 'correct horse battery\n' })

    expect(created).toMatchObject({ exitCode: 0, stderr: '' })
    expect(created.stdout).toMatch(/^created user \d+, root@example.com, admin\n$/)
    expect(again).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: 'Another user has this e-mail (EMAIL_TAKEN)\n',
    })
    expect(ifMissing).toMatchObject({ exitCode: 0, stdout: 'root@example.com exists already\n' })
  })

  test('without a password one is made and shown', async () => {
    const created = await run(['users', 'create', '--email', 'made@example.com', '--json'])

    const { user, password } = JSON.parse(created.stdout)
    expect(user).toMatchObject({ email: 'made@example.com', role: 'applicant' })
    expect(password).toMatch(/^[\w-]{43}$/)
  })

  test.each([
    [
      'a weak password',
      ['--email', 'weak@example.com', '--password-stdin'],
      'password1234',
      'PASSWORD_TOO_WEAK',
    ],
    [
      'an e-mail that is none',
      ['--email', 'nobody', '--password-stdin'],
      'correct horse battery',
      'FIELD_INVALID',
    ],
  ])('%s is refused', async (_, args, input, code) => {
    const outcome = await run(['users', 'create', ...args], { input })

    expect(outcome.exitCode).toBe(1)
    expect(outcome.stderr).toContain(code)
    expect(outcome.stderr).not.toContain(input)
  })

  test.each([
    ['an unknown command', ['nonsense']],
    ['an unknown option', ['serve', '--nonsense']],
    ['an unknown role of the process', ['serve', '--roles', 'nonsense']],
    ['an unknown role of a user', ['users', 'create', '--email', 'a@b.cd', '--role', 'king']],
    ['a missing option', ['users', 'create']],
  ])('%s is wrong usage: exit code 2', async (_, args) => {
    const outcome = await run(args)

    expect(outcome).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining('error: ') })
  })

  test('help is a result, on standard output', async () => {
    const help = await run(['--help'])

    expect(help).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringContaining('migrate') })
  })

  test('a wrong configuration is told at once, by name, without values: exit code 78', async () => {
    const wrong = {
      SERVICE_PORT: 'planted-value',
      SERVICE_JWT_SECRET_KEY: 'planted-secret',
      SERVICE_LOG_LEVEL: 'LOUD',
    }

    const outcome = await run([], { env: wrong })

    expect(outcome).toMatchObject({ exitCode: 78, stdout: '' })
    for (const name of [...Object.keys(wrong), 'SERVICE_DATABASE_URL', 'SERVICE_REDIS_URL']) {
      expect(outcome.stderr).toContain(name)
    }
    expect(outcome.stderr).not.toContain('planted')
  })

  test('a command asks only for the settings that it uses', async () => {
    const migrate = await run(['migrate', 'up'], { env: { SERVICE_DATABASE_URL: database.url } })
    const version = await run(['version', '--json'], { env: {} })
    const openApi = await run(['openapi'], { env: {} })

    expect(migrate.exitCode).toBe(0)
    expect(JSON.parse(version.stdout)).toMatchObject({ name: packageJson.name, version: packageJson.version })
    expect(JSON.parse(openApi.stdout)).toMatchObject({ openapi: '3.1.0', info: { title: packageJson.name } })
  })

  test('waits for a slow reader: what it prints is whole', async () => {
    const { child, output, ended } = spawnProgram(['openapi'], { cwd, env: {} })
    child.stdout.pause()
    const exited = once(child, 'exit')

    // It must not end before it is read, so there is nothing else to wait for.
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 2_000))])
    child.stdout.resume()
    await ended

    expect(output.stdout.length).toBeGreaterThan(65_536)
    expect(JSON.parse(output.stdout)).toMatchObject({ openapi: '3.1.0' })
  })

  test('the configuration is printed with its secrets masked', async () => {
    const redis = { SERVICE_REDIS_URL: 'redis://someone:planted@redis:6379/0' }

    const outcome = await run(['config'], { env: { ...env, ...redis } })

    const shown = JSON.parse(outcome.stdout)
    expect(shown).toMatchObject({ SERVICE_PORT: 8000, SERVICE_JWT_SECRET_KEY: '***' })
    expect(shown.SERVICE_REDIS_URL).toBe('redis://someone:***@redis:6379/0')
    expect(outcome.stdout).not.toContain(testSecret)
    expect(outcome.stdout).not.toContain('planted')
  })

  test('secrets are made once, and an address with a password in it is wrong usage', async () => {
    const dir = join(mkdtempSync(join(tmpdir(), 'secrets-')), 'made')
    const args = ['secrets', '--dir', dir, '--database-url', 'postgres://service@postgres:5432/service']

    const made = await run(args, { env: {} })
    const kept = await run([...args, '--json'], { env: {} })
    const wrong = await run(['secrets', '--dir', dir, '--redis-url', 'redis://:planted@redis'], { env: {} })

    rmSync(dirname(dir), { recursive: true })
    const names = ['jwt-secret-key', 'database-password', 'redis-password', 'database-url']
    expect(made).toEqual({ exitCode: 0, stderr: '', stdout: names.map((name) => `made ${name}\n`).join('') })
    expect(JSON.parse(kept.stdout)).toEqual(names.map((name) => ({ name, made: false })))
    expect(wrong).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining('error: ') })
  })

  // Source code run by Bun reads them; only the compiled program is held to this.
  if (isCompiled) {
    test('nothing in the working directory is read', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'planted-'))
      const plant = (file: string, text: string) => writeFileSync(join(folder, file), text)
      for (const name of ['.env', '.env.local', '.env.production', '.env.development'])
        plant(name, 'SERVICE_PORT=1\nNODE_OPTIONS=--planted\nBUN_OPTIONS=--preload=./planted.ts\n')
      plant('bunfig.toml', 'preload = ["./planted.ts"]\n')
      plant('planted.ts', "process.stdout.write('planted')\n")
      plant('tsconfig.json', '{ "compilerOptions": { "paths": { "*": ["./planted.ts"] } }, planted')
      plant('package.json', '{ "name": "planted", "imports": { "#*": "./planted.ts" }, planted')
      for (const name of ['pg', 'commander', 'pino']) {
        mkdirSync(join(folder, 'node_modules', name), { recursive: true })
        plant(`node_modules/${name}/index.js`, "process.stdout.write('planted')\n")
      }

      const outcome = await runProgram(['config'], { cwd: folder, env })
      rmSync(folder, { recursive: true })

      expect(outcome).toMatchObject({ exitCode: 0, stderr: '' })
      expect(JSON.parse(outcome.stdout)).toMatchObject({
        SERVICE_PORT: 8000,
        SERVICE_SERVICE_NAME: packageJson.name,
      })
    })
  }
})
