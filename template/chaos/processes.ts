import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '@kiln/shared/embedded'
import { endProcess } from '../end-process.ts'
import type { Link } from './proxy.ts'

export const roles = ['http', 'relay', 'consumer'] as const
export type Role = (typeof roles)[number]

/** How one process of a role is run, given the ports it finds its servers at and the one it listens on. */
export interface Program {
  readonly file: string
  readonly args: readonly string[]
  env(ports: {
    readonly own: number
    readonly postgres: number
    readonly redis: number
  }): Record<string, string>
}

export interface SlotOptions {
  readonly name: string
  readonly program: Program
  readonly postgres: Link
  readonly redis: Link
  readonly logFile: string
  readonly note: (text: string) => void
}

/** Ended with this process, however that ends: a frozen one would outlive every signal but this. */
const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))

/** What cannot start so many times is not kept from it by a fault. */
const maxStarts = 40
/** No fault lasts so long: who is neither ready nor at an end by then hangs. */
const maxStartMs = 60_000

/** The place of one process, with its links: whoever is killed or rolled out in it is followed by another. */
export class Slot {
  readonly name: string
  readonly postgres: Link
  readonly redis: Link
  readonly #options: SlotOptions
  #child: ChildProcess | undefined
  #port = 0

  constructor(options: SlotOptions) {
    this.name = options.name
    this.postgres = options.postgres
    this.redis = options.redis
    this.#options = options
  }

  /** Where the present process listens; it may not be ready, or frozen. */
  get port(): number {
    return this.#port
  }

  /**
   * Starts a process and waits until it is ready. One that a fault keeps from starting ends by itself and is started again,
   * as whoever runs it would do.
   */
  async start(): Promise<void> {
    const { note, logFile } = this.#options
    for (let attempt = 1; attempt <= maxStarts; attempt += 1) {
      const { child, port } = await this.#spawn()
      this.#child = child
      this.#port = port
      if (await isReady(child, port)) return
      note(`${this.name} could not start`)
    }
    throw new Error(`${this.name} does not start: ${logFile} says why`)
  }

  /** Ends the process without a chance to do anything, and starts another. */
  async kill(): Promise<void> {
    await end(this.#child, 'SIGKILL')
    await this.start()
  }

  async freeze(durationMs: number): Promise<void> {
    const child = this.#child
    child?.kill('SIGSTOP')
    await delay(durationMs)
    child?.kill('SIGCONT')
  }

  /** Starts another process, then asks the old one to stop in order. Gives its exit code. */
  async rollOut(): Promise<number | null> {
    const old = this.#child
    await this.start()
    return await end(old, 'SIGTERM')
  }

  async stop(): Promise<number | null> {
    return await end(this.#child, 'SIGTERM')
  }

  async #spawn(): Promise<{ child: ChildProcess; port: number }> {
    const { program, logFile, postgres, redis } = this.#options
    const port = await freePort()
    const log = openSync(logFile, 'a')
    const env = program.env({ own: port, postgres: postgres.port, redis: redis.port })
    const child = spawn(program.file, [...program.args], { env, stdio: ['ignore', log, log] })
    closeSync(log)
    children.add(child)
    child.once('exit', () => children.delete(child))
    return { child, port }
  }
}

/** False when the process has ended instead. @throws {Error} when it does neither. */
async function isReady(child: ChildProcess, port: number): Promise<boolean> {
  const deadline = performance.now() + maxStartMs
  while (child.exitCode === null && child.signalCode === null) {
    const signal = AbortSignal.timeout(1000)
    const answer = await fetch(`http://127.0.0.1:${port}/ready`, { signal }).catch(() => undefined)
    if (answer?.ok) return true
    if (performance.now() > deadline) throw new Error(`process ${child.pid} is not ready and has not ended`)
    await delay(50)
  }
  return false
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<number | null> {
  return child ? await endProcess(child, { signal, graceMs: 20_000 }) : null
}
