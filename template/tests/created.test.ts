import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseEnv } from 'node:util'
import { serviceName } from '../../scripts/creating/service.ts'
import { copyTemplate, run, templateRoot } from './support/copies.ts'
import { testFiles, testsOf } from './support/own-tests.ts'
import { limits, thinnessOf } from './support/thinness.ts'

setDefaultTimeout(240_000)

const work = mkdtempSync(join(tmpdir(), 'created-'))
const templates = join(work, 'templates')
const packageManager = dirname(process.execPath)
const identity = { GIT_AUTHOR_NAME: 'Ann', GIT_AUTHOR_EMAIL: 'ann@example.com' }
const known = { ...identity, GIT_COMMITTER_NAME: 'Ann', GIT_COMMITTER_EMAIL: 'ann@example.com' }

beforeAll(() => {
  copyTemplate(join(templates, 'kiln'))
  writeFileSync(
    join(templates, 'kiln/.env'),
    'SERVICE_JWT_SECRET_KEY=the-secret-of-whoever-keeps-the-template',
  )
})
afterAll(() => rmSync(work, { recursive: true }))

/** Runs `bun create kiln <path>`, for somebody whose git knows nothing but what `env` says. */
function create(path: string, { flags = [], env = known }: { flags?: string[]; env?: object } = {}) {
  const cwd = dirname(join(work, path))
  mkdirSync(cwd, { recursive: true })
  const args = ['create', 'kiln', path.slice(path.lastIndexOf('/') + 1), ...flags]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    env: {
      PATH: `${packageManager}:${process.env.PATH}`,
      HOME: work,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_SYSTEM: '/dev/null',
      NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
      BUN_CREATE_DIR: templates,
      BUN_INSTALL_CACHE_DIR: process.env.BUN_INSTALL_CACHE_DIR,
      ...env,
    },
  })
  return { status, said: `${stdout}${stderr}`, folder: join(cwd, path.slice(path.lastIndexOf('/') + 1)) }
}

const git = (folder: string, ...args: string[]) => run('git', args, { cwd: folder }).trim()

describe('what bun create makes', () => {
  let service: ReturnType<typeof create>

  beforeAll(() => {
    service = create('one/billing')
  })

  test('is a service of that name, in one commit, with nothing left to commit', () => {
    expect(service.status).toBe(0)
    expect(service.said).toContain('Committed: the first commit is the service.')
    expect(git(service.folder, 'status', '--porcelain')).toBe('')
    expect(git(service.folder, 'log', '--format=%an: %s')).toBe('Ann: Initial commit')
    expect(
      spawnSync('git', ['grep', '-l', 'example-service'], { cwd: service.folder, encoding: 'utf8' }).stdout,
    ).toBe('')
    expect(readFileSync(join(service.folder, 'README.md'), 'utf8')).toStartWith('# billing\n')
  })

  test('has nothing that is the template’s own', () => {
    const scripts = JSON.parse(readFileSync(join(service.folder, 'package.json'), 'utf8'))

    for (const own of ['template', '.ci', 'scripts/created.ts', 'scripts/creating'])
      expect(existsSync(join(service.folder, own))).toBe(false)
    expect(scripts['bun-create']).toBeUndefined()
    expect(JSON.stringify(scripts.scripts)).not.toContain('template')
  })

  test.each(Object.entries(limits))('is thin: %s is at most %d', (name, limit) => {
    const measured = thinnessOf(service.folder)[name as keyof typeof limits]

    process.stdout.write(`${name}: ${measured} of ${limit}\n`)
    expect(measured).toBeLessThanOrEqual(limit)
  })

  test('has secrets that nobody else has, which only its owner can read', () => {
    const file = join(service.folder, '.env')
    const { SERVICE_JWT_SECRET_KEY: secret = '' } = parseEnv(readFileSync(file, 'utf8'))

    expect(secret).toMatch(/^[\w-]{64}$/)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(git(service.folder, 'ls-files', '.env')).toBe('')
  })

  test('passes its checks and its tests, and builds', () => {
    const bun = (...args: string[]) => run(process.execPath, args, { cwd: service.folder })

    expect(bun('run', 'check')).toContain('size: src')
    const { passed, failed, files } = testsOf(service.folder, ['run', 'test'])
    process.stdout.write(`its tests: ${passed} passed, ${failed} failed, in ${files} files\n`)
    expect({ failed, files }).toEqual({ failed: 0, files: testFiles(templateRoot).length })
    bun('run', 'build')
    const manifests = run('kubectl', ['kustomize', 'deploy/kubernetes/overlays/prod'], {
      cwd: service.folder,
    })

    const program = join(service.folder, 'dist/billing')
    expect(manifests).toContain('name: billing-migrate.1.0.0')
    expect(run(program, ['version'], { cwd: work })).toContain('billing')
  })
})

describe('bun create says what became of git, and succeeds', () => {
  test('without an identity', () => {
    const { status, said, folder } = create('nobody/billing', { env: {} })

    expect(status).toBe(0)
    expect(said).toContain('Not committed: git does not know who you are')
    expect(existsSync(join(folder, 'template'))).toBe(false)
  })

  test('with --no-git', () => {
    const { status, said, folder } = create('plain/billing', { flags: ['--no-git'] })

    expect(status).toBe(0)
    expect(said).toContain('Not in git, as asked.')
    expect(existsSync(join(folder, '.git'))).toBe(false)
  })

  test('inside another repository', () => {
    mkdirSync(join(work, 'around'))
    git(join(work, 'around'), 'init', '--quiet')

    const own = create('around/billing')
    const without = create('around/plain', { flags: ['--no-git'] })

    expect([own.status, without.status]).toEqual([0, 0])
    expect(git(own.folder, 'status', '--porcelain')).toBe('')
    expect(without.said).toContain('Not committed: the folder belongs to the repository')
  })
})

test.each([
  ['billing', 'billing'],
  ['My Service', 'my-service'],
  ['2fa', 'service-2fa'],
  ['--', 'service'],
  ['a'.repeat(60), 'a'.repeat(40)],
])('a folder called %s makes a service called %s', (folder, name) => {
  expect(serviceName(folder)).toBe(name)
})
