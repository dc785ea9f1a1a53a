import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { edit, linkPackages, run, templateRoot } from './support/copies.ts'
import { testFiles, testsOf } from './support/own-tests.ts'
import { commitAll, gitIn, makeReleases, makeService } from './support/releases.ts'

setDefaultTimeout(300_000)

const parent = mkdtempSync(join(tmpdir(), 'upgrade-'))
const [template, service] = [join(parent, 'template'), join(parent, 'orders')]
let copies = 0

beforeAll(() => {
  makeReleases(template)
  makeService(service, template, 'orders')
  // As `bun install` would have put it into each copy.
  mkdirSync(join(parent, 'node_modules/@kiln'), { recursive: true })
  symlinkSync(join(templateRoot, 'shared'), join(parent, 'node_modules/@kiln/shared'))
})
afterAll(() => rmSync(parent, { recursive: true, force: true }))

/** The service, for one test. */
function copyOfService(): string {
  const copy = join(parent, `copy-${copies++}`)
  cpSync(service, copy, { recursive: true })
  return copy
}

function upgrade(folder: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/upgrade.ts', ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

const read = (folder: string, file: string) => readFileSync(join(folder, file), 'utf8')

describe('bun run upgrade', () => {
  test('takes what is new in the template, and leaves what was made here', () => {
    const folder = copyOfService()

    const upgraded = upgrade(folder)

    expect(upgraded).toEqual({
      status: 0,
      stderr: '',
      stdout: `Kiln 1.0.0 to 1.1.0: 8 files, staged and not committed.
Left out, for this service has removed them:
  docs/removed.md
  tests/security/new.md
Kept, for they were changed here; the template has removed them:
  docs/changed.md
Next:
  bun install
  bun run check
  bun run test
  git commit
`,
    })
    expect(gitIn(folder, 'status', '--porcelain').trim().split('\n')).toEqual([
      'M  Dockerfile',
      'A  docs/new.md',
      'D  docs/old.md',
      'M  package.json',
      'A  shared/postgres/migrations/0006-notes.ts',
      'M  shared/postgres/migrations/index.ts',
      'M  src/modules/example/routes.ts',
      'M  tests/src/modules/example.test.ts',
    ])
    expect(read(folder, 'Dockerfile')).toMatch(/title="orders" \\\n.*description="A good event/)
    expect(read(folder, 'docs/new.md')).toBe('For orders.\n')
    expect(read(folder, 'src/modules/example/routes.ts')).toMatch(/Hello from orders![\s\S]*'Access granted'/)
    expect(JSON.parse(read(folder, 'package.json'))).toMatchObject({
      name: 'orders',
      kiln: { version: '1.1.0' },
    })
  })

  test('gives a service whose checks and tests pass, and whose tables are those of both', () => {
    const folder = copyOfService()
    upgrade(folder)
    linkPackages(folder)
    cpSync(join(folder, 'shared'), join(folder, 'node_modules/@kiln/shared'), { recursive: true })

    const checked = run(process.execPath, ['scripts/check.ts'], { cwd: folder })
    const { passed, failed, files } = testsOf(folder)

    expect(checked).not.toContain('FAILED')
    process.stdout.write(
      `tests of the upgraded service: ${passed} passed, ${failed} failed, in ${files} files\n`,
    )
    expect({ failed, files }).toEqual({ failed: 0, files: testFiles(folder).length })
  })

  test('has nothing to do once it is done, and can be undone until then', () => {
    const folder = copyOfService()
    upgrade(folder)
    gitIn(folder, 'reset', '--quiet', '--hard')
    upgrade(folder, 'v1.1.0', '--from', template)
    commitAll(folder, 'upgraded')

    const again = upgrade(folder)

    expect(again).toEqual({ status: 0, stdout: 'Nothing to do: this is the newest release.\n', stderr: '' })
  })

  test('marks what both have changed, says so, and applies the rest', () => {
    const folder = copyOfService()
    edit(join(folder, 'src/modules/example/routes.ts'), 'Admin access granted', 'Welcome')
    commitAll(folder, 'welcome')

    const { status, stdout } = upgrade(folder)

    expect(status).toBe(1)
    expect(stdout).toContain(
      'In conflict, with both sides marked in the file:\n  src/modules/example/routes.ts\nNext:\n  edit what',
    )
    expect(read(folder, 'src/modules/example/routes.ts')).toMatch(
      /<{7} ours\n.*Welcome.*\n={7}\n.*'Access granted'.*\n>{7} theirs/,
    )
    expect(existsSync(join(folder, 'shared/postgres/migrations/0006-notes.ts'))).toBe(true)
  })

  test('goes through a service that installs the packed `shared`, or is one of several in a repository', () => {
    const folder = join(parent, 'shop/services/orders')
    cpSync(service, folder, { recursive: true })
    for (const path of ['.git', 'shared', 'bun.lock']) rmSync(join(folder, path), { recursive: true })
    gitIn(join(parent, 'shop'), 'init', '--quiet')
    commitAll(join(parent, 'shop'), 'moved')

    const { status, stdout, stderr } = upgrade(folder, '--from', template)

    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('  shared/postgres/migrations/0006-notes.ts\n')
    expect(gitIn(folder, 'status', '--porcelain').trim().split('\n')).toEqual(
      [
        'M  Dockerfile',
        'A  docs/new.md',
        'D  docs/old.md',
        'M  package.json',
        'M  src/modules/example/routes.ts',
        'M  tests/src/modules/example.test.ts',
      ].map((line) => line.replace(/(?<=^.{3})/, 'services/orders/')),
    )
  })
})

describe('bun run upgrade refuses, and changes nothing', () => {
  test.each<[string, (folder: string) => readonly string[], string]>([
    [
      'a tree with changes',
      (folder) => {
        writeFileSync(join(folder, 'note'), '')
        return []
      },
      'There are changes that are not committed. Commit or stash them first.',
    ],
    [
      'a service that does not know its release',
      (folder) => {
        edit(join(folder, 'package.json'), '"version": "1.0.0",\n    "own"', '"own"')
        commitAll(folder, 'forgot')
        return []
      },
      'package.json does not say from which release it came (kiln.version).',
    ],
    [
      'a release that is not there, to come from',
      (folder) => {
        edit(join(folder, 'package.json'), '"version": "1.0.0",\n    "own"', '"version": "1.0.1",\n    "own"')
        commitAll(folder, 'claimed')
        return []
      },
      'kiln has no tag v1.0.1.',
    ],
    ['a release that is not there, to go to', () => ['9.9.9'], 'kiln has no tag v9.9.9.'],
    ['a beta', () => ['1.1.0-beta'], 'kiln has no tag v1.1.0-beta.'],
    ['an older release', () => ['0.9.0'], '0.9.0 is older than 1.0.0.'],
    [
      'a template that is not there',
      () => ['--from', join(parent, 'nowhere')],
      `The template could not be fetched from ${join(parent, 'nowhere')}: `,
    ],
    [
      'a service without git',
      (folder) => {
        rmSync(join(folder, '.git'), { recursive: true })
        return []
      },
      'This folder is in no git repository with a commit, so an upgrade could not be taken back.',
    ],
  ])('%s', (_, prepare, reason) => {
    const folder = copyOfService()
    const args = prepare(folder)
    const before = contentsOf(folder)

    const { status, stdout, stderr } = upgrade(folder, ...args)

    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toStartWith(reason)
    expect(stderr).toEndWith(' Nothing was changed.\n')
    expect(contentsOf(folder)).toBe(before)
  })
})

/** A hash of every file but git's own. */
function contentsOf(folder: string): string {
  const script = 'find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum'
  const staged = existsSync(join(folder, '.git')) ? gitIn(folder, 'status', '--porcelain') : ''
  return run('sh', ['-c', script], { cwd: folder }) + staged
}
