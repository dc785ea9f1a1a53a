import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '@kiln/shared/embedded'
import { endProcess } from '../end-process.ts'
import { pinned } from './machine.ts'

export interface Server {
  readonly port: number
  readonly pid: number
  /** From the start of the process to the first connection that it took. */
  readonly listeningMs: number
  readonly stop: () => Promise<void>
}

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  /** The environment, given the port to listen on. */
  readonly env: (port: number) => Readonly<Record<string, string>>
  readonly cwd?: string
}

/**
 * Starts a server on a free loopback port, its standard output to /dev/null, and waits until it listens.
 *
 * @throws {Error} when it ended, or did not listen within 20 seconds.
 */
export async function startServer({ file, args, env, cwd }: Command): Promise<Server> {
  const port = await freePort()
  const [command, commandArgs] = pinned('server', file, args)
  const nowhere = openSync('/dev/null', 'w')
  const startedAt = performance.now()
  const child = spawn(command, commandArgs, {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env(port) },
    stdio: ['ignore', nowhere, 'inherit'],
  })
  closeSync(nowhere)
  await listening(port, child, 20_000)
  const listeningMs = performance.now() - startedAt
  return {
    port,
    pid: child.pid ?? 0,
    listeningMs,
    async stop() {
      await endProcess(child, { graceMs: 3000 })
    },
  }
}

/** Tries to connect again and again: nothing else tells as exactly when a server listens. */
async function listening(port: number, child: ChildProcess, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await connects(port))) {
    if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended`)
    if (performance.now() > deadline) throw new Error(`${child.spawnargs.join(' ')} does not listen`)
    await delay(1)
  }
}

async function connects(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
