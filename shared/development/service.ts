import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { siblingFile } from './embedded/sibling-file.ts'
import { nextSave } from './saves.ts'

type Env = Readonly<Record<string, string>>

export interface Preparation {
  readonly project: string
  readonly env: Env
  /** The development admin's e-mail. */
  readonly admin: string
  readonly password: string
}

/** Migrates and makes the admin. A mistake in the source is shown, and the next save tries again. */
export async function prepare({ project, env, admin, password }: Preparation): Promise<void> {
  const create = ['users', 'create', '--email', admin, '--role', 'admin', '--password-stdin', '--if-missing']
  while (!(await runs(['migrate', 'up'])) || !(await runs(create, password))) {
    const saved = nextSave(project)
    process.stderr.write('The service could not be prepared; the next save tries again.\n')
    await saved
  }

  async function runs(command: string[], input = ''): Promise<boolean> {
    const child = spawn(process.execPath, ['src/main.ts', ...command], { cwd: project, env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk
      })
    }
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const [code] = await once(child, 'close')
    if (code !== 0) process.stderr.write(output)
    return code === 0
  }
}

export interface Service {
  /** Resolves with the reason when nothing watches the service any more; the service itself may fail and come back. */
  readonly crashed: Promise<string>
  /** Resolves when the service has ended, in its own time but not longer than it is given. */
  stop(): Promise<void>
}

/** Runs `serve` and restarts it at every save, on a leash that ends it with this process. */
export function startService(project: string, env: Env): Service {
  const leash = spawn(process.execPath, [siblingFile('leash', import.meta.url)], {
    // A session of its own: Ctrl-C comes to us, and we end the service before its servers.
    detached: true,
    cwd: project,
    env,
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = once(leash, 'exit')
  leash.stdin.on('error', () => {})
  return {
    crashed: ended.then(() => `The process that watches the service (${leash.pid}) has ended.`),
    stop: async () => {
      leash.stdin.end()
      await ended
    },
  }
}

/** Resolves when the service says that it is ready; says so once when that takes long. */
export async function untilReady(url: string, noticeAfterMs = 30_000): Promise<void> {
  const notice = setTimeout(() => {
    process.stderr.write(
      `The service does not answer ${url}/ready with 200 yet; waiting for the next save.\n`,
    )
  }, noticeAfterMs)
  try {
    while (!(await isReady(url))) await delay(50)
  } finally {
    clearTimeout(notice)
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.status === 200
  } catch {
    return false
  }
}
