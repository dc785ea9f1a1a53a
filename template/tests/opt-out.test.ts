import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { logInAdmin, startService } from '../../tests/support/process.ts'
import { startCollector } from './support/collector.ts'
import { testsOf } from './support/own-tests.ts'
import { linkPackages } from './support/patched-build.ts'

setDefaultTimeout(400_000)

const root = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/OPT-OUT.md'), 'utf8')

test('tracing, documentation and Redis are left out by settings', async () => {
  const collector = await startCollector()
  const service = await startService({
    ...collector.env,
    OTEL_SDK_DISABLED: 'true',
    SERVICE_DOCS_ENABLED: 'false',
    SERVICE_REDIS_URL: 'memory://',
    SERVICE_SINGLE_REPLICA: 'true',
  })
  const token = await logInAdmin(service)

  const created = await fetch(`${service.url}/api/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ first_name: 'Ann' }),
  })
  const docs = await Promise.all(['/docs', '/docs/json'].map((path) => fetch(service.url + path)))
  const health = await (await fetch(`${service.url}/health`)).json()
  service.signal('SIGTERM')
  const { exitCode } = await service.ended

  expect(created.status).toBe(201)
  expect(docs.map(({ status }) => status)).toEqual([404, 404])
  expect(health).toMatchObject({ status: 'up', events: { transport: 'memory' } })
  expect(health).not.toHaveProperty('redis')
  expect(exitCode).toBe(0)
  expect(collector.state.requests).toBe(0)
  await service.close()
  await collector.close()
})

describe('what is deleted as docs/OPT-OUT.md says', () => {
  const copy = mkdtempSync(join(tmpdir(), 'opt-out-'))
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  const run = (command: string, ...args: readonly string[]) => {
    const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`
    const { status, stdout, stderr } = spawnSync(command, args, {
      cwd: copy,
      encoding: 'utf8',
      env: { ...process.env, PATH: path },
    })
    return { status, output: `${stdout}${stderr}` }
  }
  const tracked = spawnSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).stdout.trim().split('\n')
  // A created service has no such folder.
  const files = tracked.filter((file) => !file.startsWith('template/'))
  const isTest = (file: string) => file.endsWith('.test.ts')
  const contentOf = (folder: string, file: string) => readFileSync(join(folder, file), 'utf8')

  test('leaves a service that passes its checks and its tests, less those of what was deleted', () => {
    const blocks = [...page.matchAll(/```sh opt-out\n([\s\S]*?)```/g)].map(([, block = '']) => block)
    for (const file of files) cpSync(join(root, file), join(copy, file))
    linkPackages(copy)

    const checks = blocks.map((block) => {
      const deletion = run('sh', '-euc', block)
      run('bun', 'run', 'format')
      const check = run('bun', 'run', 'check')
      return [deletion.status, check.status, check.status === 0 ? '' : `${deletion.output}${check.output}`]
    })
    const kept = files.filter((file) => existsSync(join(copy, file)))
    const { passed, failed, files: ran } = testsOf(copy)

    const changed = kept.filter((file) => isTest(file) && contentOf(copy, file) !== contentOf(root, file))
    const lost = files.filter((file) => isTest(file) && !kept.includes(file))
    process.stdout.write(
      `left out: ${files.length - kept.length} files, ${lost.length} of them tests; ${passed} tests of the rest passed\n`,
    )
    expect(checks).toEqual(blocks.map(() => [0, 0, '']))
    expect(blocks).toHaveLength(3)
    expect(changed).toEqual([])
    expect(lost.every((file) => page.includes(file))).toBe(true)
    expect(passed).toBeGreaterThan(100)
    expect({ failed, ran }).toEqual({ failed: 0, ran: kept.filter(isTest).length })
  })
})
