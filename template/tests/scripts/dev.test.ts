import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dataFolder, readSettings, secret } from '../../../shared/development/settings.ts'
import { descendants, isAlive, until } from '../support/processes.ts'

setDefaultTimeout(60_000)

const root = join(import.meta.dir, '../../..')
const opened: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

/** A copy to write to, closed to other users as mkdtemp makes it. */
function copyOfTheProject(): string {
  const project = mkdtempSync(join(tmpdir(), 'dev-test-'))
  for (const name of ['src', 'shared', 'scripts', 'package.json', 'bunfig.toml', 'tsconfig.json']) {
    cpSync(join(root, name), join(project, name), { recursive: true, verbatimSymlinks: true })
  }
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'))
  opened.push(async () => {
    const { name } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
    rmSync(await dataFolder(project, name), { recursive: true, force: true })
    rmSync(project, { recursive: true, force: true })
  })
  return project
}

async function takenPort(): Promise<{ port: number; release: () => Promise<void> }> {
  const server: Server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const release = () => new Promise<void>((resolve) => void server.close(() => resolve()))
  return { port: (server.address() as AddressInfo).port, release }
}

async function freePort(): Promise<number> {
  const { port, release } = await takenPort()
  await release()
  return port
}

/** `bun run dev` in a process group of its own, as in a terminal. */
function develop(project: string, port: number) {
  const env = { PATH: process.env.PATH, HOME: join(project, 'no-home'), SERVICE_PORT: String(port) }
  const child = spawn(process.execPath, ['scripts/dev.ts'], { cwd: project, env, detached: true })
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  const pid = child.pid ?? 0
  opened.push(async () => {
    if (isAlive(pid)) child.kill('SIGINT')
    await exit
  })
  const url = `http://localhost:${port}`
  const says = (text: string) =>
    until(`"${text}" in what it prints`, () => output.includes(text), 30_000).catch((cause) => {
      throw new Error(`${cause.message}:\n${output}`)
    })
  return { pid, url, exit, says, output: () => output }
}

async function expectGone(pids: number[]): Promise<void> {
  expect(pids.length).toBeGreaterThanOrEqual(5)
  await until(`the end of ${pids}`, () => !pids.some(isAlive), 20_000)
}

function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8')
  if (!text.includes(from)) throw new Error(`${file} has no "${from}"`)
  writeFileSync(file, text.replace(from, to))
}

describe.skipIf(process.platform !== 'linux')('bun run dev', () => {
  test('shows a login that works, restarts nothing but the service at a save, and ends whole at Ctrl-C', async () => {
    const project = copyOfTheProject()
    const dev = develop(project, await freePort())
    await dev.says('log in ')

    const password = /password {3}(\S+)/.exec(dev.output())?.[1]
    const body = JSON.stringify({ email: 'admin@example.com', password })
    const headers = { 'content-type': 'application/json' }
    const login = await fetch(`${dev.url}/api/auth/login`, { method: 'POST', headers, body })
    const all = descendants(dev.pid)
    const before = descendants(dev.pid, 2)
    edit(join(project, 'src/modules/auth/routes.ts'), 'Log out', 'Saved!')
    await until('the saved answer', async () => {
      const answer = await fetch(`${dev.url}/docs/json`).then(
        (response) => response.text(),
        () => '',
      )
      return answer.includes('Saved!')
    })
    const after = descendants(dev.pid, 2)
    process.kill(-dev.pid, 'SIGINT')

    expect(login.status).toBe(200)
    // The keepers and their servers, and the leash and its service: `bun --watch` keeps its process number.
    expect(after).toEqual(before)
    expect(await dev.exit).toEqual([0, null])
    await expectGone(all)
  })

  test('leaves nothing running after kill -9', async () => {
    const dev = develop(copyOfTheProject(), await freePort())
    await dev.says('log in ')
    const pids = descendants(dev.pid)

    process.kill(dev.pid, 'SIGKILL')

    await expectGone(pids)
  })

  test('keeps login and data from one run to the next', async () => {
    const project = copyOfTheProject()
    const logins: string[] = []

    for (const port of [await freePort(), await freePort()]) {
      const dev = develop(project, port)
      await dev.says('log in ')
      logins.push(/password {3}(\S+)/.exec(dev.output())?.[1] ?? '')
      process.kill(-dev.pid, 'SIGINT')
      expect(await dev.exit).toEqual([0, null])
    }

    expect(logins[0]).toMatch(/^[a-z2-9-]{23}$/)
    expect(logins[1]).toBe(logins[0] ?? '')
  })

  test('shows a mistake in the source, at the start and later, and goes on at the next save', async () => {
    const project = copyOfTheProject()
    const main = join(project, 'src/main.ts')
    const right = readFileSync(main, 'utf8')
    writeFileSync(main, `throw new Error('first mistake')\n${right}`)
    const dev = develop(project, await freePort())
    await dev.says('the next save tries again')
    expect(dev.output()).toContain('first mistake')

    writeFileSync(main, right)
    await dev.says('log in ')
    writeFileSync(main, `process.stderr.write('second mistake')\nprocess.exit(78)\n${right}`)
    await dev.says('the next save starts it again')
    writeFileSync(main, right)

    await until('an answer', () =>
      fetch(`${dev.url}/ready`).then(
        (response) => response.ok,
        () => false,
      ),
    )
    expect(dev.output()).toContain('second mistake')
  })

  test('says that its port is in use, and how to choose another', async () => {
    const { port, release } = await takenPort()
    opened.push(release)
    const dev = develop(copyOfTheProject(), port)

    expect(await dev.exit).toEqual([1, null])
    expect(dev.output()).toContain(`Port ${port} is already in use. Choose another one: SERVICE_PORT=`)
    expect(dev.output()).not.toContain('    at ')
  })
})

describe('the settings of a development run', () => {
  test('come from .env, and the real environment wins', async () => {
    const project = mkdtempSync(join(tmpdir(), 'settings-'))
    opened.push(() => rmSync(project, { recursive: true }))
    writeFileSync(join(project, 'package.json'), '{ "name": "a-service" }')
    writeFileSync(
      join(project, '.env'),
      'SERVICE_PORT=9001\nSERVICE_LOG_LEVEL=WARN\nSERVICE_REDIS_URL_FILE=/secret\n',
    )

    const settings = await readSettings(project, { SERVICE_LOG_LEVEL: 'ERROR' })

    expect(settings).toMatchObject({ name: 'a-service', port: 9001, url: 'http://localhost:9001' })
    expect(settings.env.SERVICE_LOG_LEVEL).toBe('ERROR')
    expect([settings.has('SERVICE_REDIS_URL'), settings.has('SERVICE_DATABASE_URL')]).toEqual([true, false])
  })

  test('refuse a port that is none', async () => {
    await expect(readSettings(root, { SERVICE_PORT: '80a' })).rejects.toThrow('SERVICE_PORT must be a number')
  })

  test('keep a secret readable for its owner alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'secret-'))
    opened.push(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'secret')

    const made = await secret(file, 60)

    expect(Buffer.byteLength(made)).toBeGreaterThan(32)
    expect(await secret(file, 60)).toBe(made)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })
})
