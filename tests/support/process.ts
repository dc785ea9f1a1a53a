import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { eventually } from '@kiln/shared/testing'
import { createTestDatabase } from './database.ts'
import { createTestKeys, redisUrl } from './redis.ts'
import { testEnvironment } from './service.ts'

const root = resolve(import.meta.dirname, '../..')

/** The program under test, words separated by blanks: the compiled one, or another runtime; default the source on Bun. */
export const underTest: readonly string[] = process.env.TEST_PROGRAM?.split(' ') ?? [
  process.execPath,
  ...(process.versions.deno ? ['run', '--allow-all'] : []),
  resolve(root, 'src/main.ts'),
]

/** What the program under test runs on. A compiled program is one word. */
export const runtime = underTest.length === 1 ? 'binary' : /deno$/.test(underTest[0] ?? '') ? 'deno' : 'bun'

export const isCompiled = runtime === 'binary'

export interface Outcome {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
  /** In place of the program under test; several words where it needs a runtime. */
  readonly program?: string | readonly string[] | undefined
}

/**
 * Becomes the program, beside a watcher that kills it when the fourth descriptor ends without a word: a test that fails
 * or is killed closes nothing.
 */
const onLifeline = '{ read -r word <&3 || kill -9 $$; } >/dev/null 2>&1 & exec "$@" 3<&-'

/** Starts the program with nothing of our own environment but what it is given. */
export function spawnProgram(args: readonly string[], { env = {}, cwd = root, program }: RunOptions = {}) {
  const command = program === undefined ? underTest : [program].flat()
  const child = spawn('sh', ['-c', onLifeline, 'sh', ...command, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
  const lifeline = child.stdio[3] as Writable
  lifeline.on('error', () => {})
  child.once('exit', () => lifeline.end('done\n'))
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  child.stdin.on('error', () => {})
  const ended = once(child, 'close').then(([code]): Outcome => ({ exitCode: code ?? -1, ...output }))
  return { child, output, ended }
}

/** Runs one command to its end. */
export async function runProgram(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { child, ended } = spawnProgram(args, options)
  child.stdin.end(options.input ?? '')
  return await ended
}

export interface RunningService {
  readonly port: number
  readonly url: string
  readonly pid: number
  readonly env: Readonly<Record<string, string>>
  /** What it has written so far. */
  readonly output: { readonly stdout: string; readonly stderr: string }
  readonly ended: Promise<Outcome>
  readonly signal: (signal: NodeJS.Signals) => void
  /** Another command of the same program, in the same environment. */
  readonly command: (args: readonly string[], options?: Pick<RunOptions, 'input'>) => Promise<Outcome>
  /** Ends the process and drops the database. */
  readonly close: () => Promise<void>
}

/** A machine that does much else starts a program slowly. */
const patience = { timeoutMs: 30_000 }

/** The whole service as a process of its own, migrated and ready, on a free port, with a database and event keys of its own. */
export async function startService(
  overrides: Record<string, string> = {},
  args: readonly string[] = ['serve', '--migrate'],
  { program }: Pick<RunOptions, 'program'> = {},
): Promise<RunningService> {
  const database = await createTestDatabase()
  const keys = createTestKeys()
  const env = testEnvironment({
    SERVICE_DATABASE_URL: database.url,
    SERVICE_HOST: '127.0.0.1',
    SERVICE_PORT: '0',
    SERVICE_EVENTS_PREFIX: keys.prefix,
    ...(redisUrl
      ? { SERVICE_REDIS_URL: redisUrl }
      : { SERVICE_REDIS_URL: 'memory://', SERVICE_SINGLE_REPLICA: 'true' }),
    ...overrides,
  })
  const { child, output, ended } = spawnProgram(args, { env, program })
  const port = await eventually(() => {
    const ready = /"port":(\d+).*"msg":"ready"/.exec(output.stdout)
    if (ready === null) throw new Error(`the service is not ready:\n${output.stdout}${output.stderr}`)
    return Number(ready[1])
  }, patience)
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    env: { ...env, SERVICE_PORT: String(port) },
    output,
    ended,
    signal: (signal) => child.kill(signal),
    command: (args, options = {}) =>
      runProgram(args, { env: { ...env, SERVICE_PORT: String(port) }, program, ...options }),
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
      await database.drop()
      if (redisUrl) await keys.drop()
    },
  }
}

/** The access token of an admin who is made, where there is none yet, and has logged in. */
export async function logInAdmin({ url, command }: Pick<RunningService, 'url' | 'command'>): Promise<string> {
  const password = 'correct horse battery'
  const create = ['users', 'create', '--email', 'admin@example.com', '--role', 'admin', '--password-stdin']
  await command([...create, '--if-missing'], { input: password })
  const login = await fetch(`${url}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'admin@example.com', password }),
  })
  const { access_token } = (await login.json()) as { access_token: string }
  return access_token
}
