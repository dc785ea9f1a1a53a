import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
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
import { findRedisBinary, onPath } from '@kiln/shared/embedded'
import { isAlive, until } from '../support/processes.ts'

setDefaultTimeout(30_000)

const root = join(import.meta.dir, '../..')
const scratch = mkdtempSync(join(tmpdir(), 'leaks-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let runs = 0

/** A `bun test` with the project's own bunfig and preload, in a process group of its own as in a terminal. */
function runTests(
  end: 'pass' | 'fail' | 'never',
  env: Record<string, string | undefined> = {},
  flags: string[] = [],
) {
  const reportFile = join(scratch, `report-${++runs}`)
  const child = spawn(process.execPath, ['test', ...flags, './tests/scripts/leaks.fixture.ts'], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TEST_DATABASE_URL: '',
      TEST_REDIS_URL: '',
      CI: '',
      ...env,
      LEAK_REPORT: reportFile,
      LEAK_END: end,
    },
  })
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>
  return { child, exit, output: collect(child), report: () => reportOf(reportFile) }
}

function collect(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      text += chunk
    })
  }
  return () => text
}

function reportOf(file: string): { pids: number[]; folders: string[] } | undefined {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

async function expectNothingLeft(report: { pids: number[]; folders: string[] } | undefined): Promise<void> {
  if (!report) throw new Error('the nested run reported nothing')
  expect(report.pids.length).toBeGreaterThanOrEqual(3)
  expect(report.pids.every((pid) => pid > 1)).toBe(true)
  await until(`the end of ${report.pids}`, () => !report.pids.some(isAlive))
  await until(`the removal of ${report.folders}`, () => !report.folders.some((folder) => existsSync(folder)))
}

describe('a test run leaves no process and no folder behind', () => {
  test('after a pass', async () => {
    const run = runTests('pass')

    const [code] = await run.exit

    expect(code, run.output()).toBe(0)
    await expectNothingLeft(run.report())
  })

  test('after a failure', async () => {
    const run = runTests('fail')

    const [code] = await run.exit

    expect(code).toBe(1)
    await expectNothingLeft(run.report())
  })

  test('after --bail', async () => {
    const run = runTests('fail', {}, ['--bail'])

    const [code] = await run.exit

    expect(code).toBe(1)
    await expectNothingLeft(run.report())
  })

  test('after Ctrl-C', async () => {
    const run = runTests('never')
    await until('the report', run.report)

    process.kill(-(run.child.pid ?? 0), 'SIGINT')

    await run.exit
    await expectNothingLeft(run.report())
  })

  test('after kill -9 of the test process', async () => {
    const run = runTests('never')
    await until('the report', run.report)

    run.child.kill('SIGKILL')

    await run.exit
    await expectNothingLeft(run.report())
  })

  test('after kill -9 of a parallel run', async () => {
    const run = runTests('never', {}, ['--parallel=2'])
    await until('the report', run.report)

    run.child.kill('SIGKILL')

    await run.exit
    await expectNothingLeft(run.report())
  })
})

describe('on a machine without a Redis', () => {
  /** A PATH with these programs and nothing else. */
  function pathWith(programs: Record<string, string>): string {
    const folder = join(scratch, `bin-${++runs}`)
    mkdirSync(folder)
    for (const name of ['cp', 'chmod', 'sh']) symlinkSync(onPath(name)[0] ?? '', join(folder, name))
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(folder, name), script)
      chmodSync(join(folder, name), 0o755)
    }
    return folder
  }

  test('its tests are skipped, and one line says what to type', async () => {
    const run = runTests('pass', { PATH: pathWith({}) })

    const [code] = await run.exit

    expect(code, run.output()).toBe(0)
    expect(run.output()).toContain('1 skip')
    expect(run.output()).toMatch(/^No Redis for the tests; .*apt-get install redis-server/m)
    await expectNothingLeft(run.report())
  })

  test('the run fails with CI=true', async () => {
    const run = runTests('pass', { PATH: pathWith({}), CI: 'true' })

    const [code] = await run.exit

    expect(code).toBe(1)
    expect(run.output()).toMatch(/^error: no Redis for the tests; /m)
    expect(run.output()).not.toContain('(pass)')
  })

  test('a Redis older than 7 counts as none', async () => {
    const run = runTests('pass', {
      PATH: pathWith({ 'redis-server': '#!/bin/sh\necho Redis server v=6.0.16 sha=0\n' }),
    })

    await run.exit

    expect(run.output()).toContain('1 skip')
  })

  test.skipIf(!findRedisBinary())('Docker runs one, and it ends with the run', async () => {
    const docker = `#!/bin/sh
      case $1 in
        info) exit 0 ;;
        run) port=\${6%:*}; port=\${port#*:}; shift 8; exec ${findRedisBinary()} --port $port "$@" ;;
      esac`
    const run = runTests('pass', { PATH: pathWith({ docker }) })

    const [code] = await run.exit

    expect(code, run.output()).toBe(0)
    expect(run.output()).not.toContain('skip')
    await expectNothingLeft(run.report())
  })
})
