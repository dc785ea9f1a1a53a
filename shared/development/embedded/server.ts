import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'

/** How one kind of server is started, recognised as ready, and ended. */
export interface Recipe {
  /** Named in messages. */
  readonly name: string
  /** A port that must be used; without one every attempt takes a free one. */
  readonly port?: number | undefined
  readonly logFile: string
  readonly startTimeoutMs: number
  command(port: number): ServerCommand
  isReady(port: number, pid: number): Promise<boolean>
  url(port: number): string
  /** Sent in this order until the server has ended, each with the time it is given. */
  readonly stopSignals: readonly { readonly signal: NodeJS.Signals; readonly graceMs: number }[]
  /** Clears what a server that would not end may have left. */
  cleanUp?(): Promise<void>
}

export interface ServerCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** The account to run under, when it is not our own. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined
}

export interface Server {
  readonly port: number
  readonly pid: number
  /** Resolves when the process has ended, whoever ended it. */
  readonly ended: Promise<void>
}

const pollMs = 15
/** A port someone else took between our look and the start; the remains of a killed PostgreSQL that are still ending. */
const passing = /address (already )?in use|pre-existing shared memory block|port is already allocated/i

/**
 * Starts the server and waits until it answers.
 *
 * @throws {Error} with the end of the server's log, when it ended or `startTimeoutMs` passed; nothing is left running.
 */
export async function startServer(recipe: Recipe, signal: AbortSignal): Promise<Server> {
  const deadline = performance.now() + recipe.startTimeoutMs
  for (;;) {
    const port = recipe.port ?? (await freePort())
    const { child, ended, hasEnded } = await run(recipe, port)
    const pid = child.pid ?? 0

    while (!hasEnded() && !signal.aborted && performance.now() < deadline) {
      if (await recipe.isReady(port, pid)) return { port, pid, ended }
      await delay(pollMs)
    }
    if (!hasEnded()) await stopServer(recipe, { port, pid, ended })
    if (signal.aborted) throw new Error(`${recipe.name} was not started: its owner has ended`)
    const log = endOfLog(recipe.logFile)
    if (!passing.test(log) || performance.now() >= deadline) {
      throw new Error(`${recipe.name} did not start on port ${port}:\n${log || 'it wrote no log'}`)
    }
    await delay(100)
  }
}

/** Ends the server, gently first; done when the process is gone. */
export async function stopServer(recipe: Recipe, server: Server): Promise<void> {
  for (const { signal, graceMs } of recipe.stopSignals) {
    // A stopped process takes no signal but these two.
    if (!(sendSignal(server.pid, signal) && sendSignal(server.pid, 'SIGCONT'))) break
    if (await Promise.race([server.ended.then(() => true), delay(graceMs, false)])) break
  }
  await server.ended
  await recipe.cleanUp?.()
}

export function endOfLog(file: string, lines = 12): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  } catch {
    return ''
  }
}

async function run(recipe: Recipe, port: number) {
  const { file, args, env, cwd, account } = recipe.command(port)
  const log = openSync(recipe.logFile, 'w', 0o600)
  let child: ChildProcess
  try {
    child = spawn(file, args, { env, cwd, ...account, stdio: ['ignore', log, log] })
  } finally {
    closeSync(log)
  }
  let over = false
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      over = true
      resolve()
    })
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (cause) => reject(new Error(`${recipe.name} could not be run: ${file}`, { cause })))
  })
  return { child, ended, hasEnded: () => over }
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}
