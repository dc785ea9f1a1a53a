import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRoot } from './folders.ts'
import { nativeFolder } from './native.ts'
import type { PostgresOrder } from './order.ts'
import type { Recipe } from './server.ts'

const everyServer = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '300',
  // Not /dev/shm, which is 64 MB in most containers and keeps what a killed server had there.
  dynamic_shared_memory_type: 'mmap',
  timezone: 'UTC',
  log_timezone: 'UTC',
}
// Not synchronous_commit: without it a killed server forgets what it has confirmed.
const losesDataInPowerCut = { fsync: 'off', full_page_writes: 'off' }

/** A PostgreSQL whose cluster lives in `folder/data`, made there on first use. */
export async function postgresRecipe(order: PostgresOrder, folder: string): Promise<Recipe> {
  const native = await nativeFolder()
  const account = isRoot ? await nobody() : undefined
  const data = join(folder, 'data')
  const logFile = join(folder, 'postgres.log')
  const password = await storedPassword(join(folder, 'password'))
  const place = { native, account, folder, data, logFile, password }
  if (!existsSync(data)) await makeCluster(place)
  await dropStalePid(data)

  const settings = { ...everyServer, ...(order.durable ? {} : losesDataInPowerCut) }
  return {
    name: 'PostgreSQL',
    port: order.port,
    logFile,
    startTimeoutMs: 30_000,
    command: (port) => ({
      file: join(native, 'bin', 'postgres'),
      args: [
        '-D',
        data,
        ...Object.entries({ ...settings, port }).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ],
      env: environment(),
      cwd: folder,
      account,
    }),
    isReady: (_port, pid) => saysReady(data, pid),
    url: (port) => `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    stopSignals: [
      { signal: 'SIGINT', graceMs: 10_000 },
      { signal: 'SIGQUIT', graceMs: 5_000 },
      { signal: 'SIGKILL', graceMs: 5_000 },
    ],
  }
}

interface Place {
  readonly native: string
  readonly account: { uid: number; gid: number } | undefined
  readonly folder: string
  readonly data: string
  readonly logFile: string
  readonly password: string
}

/** All or nothing: a cluster whose making was interrupted never gets the final name. */
async function makeCluster({ native, account, folder, data, logFile, password }: Place): Promise<void> {
  const unfinished = join(folder, 'data.unfinished')
  const passwordFile = join(unfinished, 'password')
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(join(unfinished, 'data'), { recursive: true, mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (account) {
    for (const path of [join(unfinished, 'data'), passwordFile, unfinished]) {
      await chown(path, account.uid, account.gid)
    }
  }
  const args = ['-D', join(unfinished, 'data'), '--no-sync', '--no-instructions', '--username=postgres']
  args.push('--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8')
  // The same order and case rules everywhere, from PostgreSQL itself and not from the machine's locales.
  args.push('--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8')
  args.push('-c', `dynamic_shared_memory_type=${everyServer.dynamic_shared_memory_type}`)
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const options = { env: environment(), cwd: folder, ...account }
    const initdb = spawn(join(native, 'bin', 'initdb'), args, {
      ...options,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let output = ''
    initdb.stderr.on('data', (chunk) => {
      output += chunk
    })
    initdb.once('error', reject)
    initdb.once('close', (code) => resolve({ code, output }))
  })
  if (code !== 0) throw new Error(`PostgreSQL could not make its cluster in ${folder}:\n${output}`)
  await rename(join(unfinished, 'data'), data)
  await rm(unfinished, { recursive: true, force: true })
  await rm(logFile, { force: true })
}

/**
 * The folder is claimed by us, so a living process named in postmaster.pid is either a server whose keeper was
 * killed or, its number being reused, an unrelated one, before which PostgreSQL would give up. That of a dead
 * process stays: PostgreSQL checks by it that no child of the old server is left.
 */
async function dropStalePid(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid')
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0])
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined)
  if (!pid || command === undefined) return
  if (command.includes(data))
    throw new Error(`${data} is in use by PostgreSQL, process ${pid}; end that one first`)
  await rm(file, { force: true })
}

/** The eighth line of postmaster.pid: what pg_ctl waits for, and no connection is needed. */
async function saysReady(data: string, pid: number): Promise<boolean> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready'
}

async function storedPassword(file: string): Promise<string> {
  const stored = await readFile(file, 'utf8').catch(() => '')
  if (stored) return stored
  const password = randomBytes(24).toString('base64url')
  await writeFile(file, password, { mode: 0o600 })
  return password
}

/** Without the PG* variables of whoever started us; TZ spares initdb a search through the zone files. */
function environment(): Record<string, string> {
  return { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' }
}

async function nobody(): Promise<{ uid: number; gid: number }> {
  const accounts = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(accounts) ?? []
  return { uid: Number(uid ?? 65534), gid: Number(gid ?? 65534) }
}
