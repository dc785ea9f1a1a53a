import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Command, Order, Report } from './order.ts'
import { siblingFile } from './sibling-file.ts'

/** A private server, alive until `stop()` or the end of this process, whatever ends it. Holds the event loop open. */
export interface KeptServer {
  readonly url: string
  readonly port: number
  /** The server's own process; another one after `restart()`. */
  readonly pid: number
  /** The process that ends the server when this one is gone. */
  readonly keeperPid: number
  /** Where its files and its log are. */
  readonly folder: string
  /** Resolves with the reason when the server or its keeper ended without being asked to; else never. */
  readonly crashed: Promise<string>
  /** Ends the server, if it still runs, and starts it on the same port and the same data. */
  restart(): Promise<void>
  /** Resolves when the process is gone and a temporary folder removed. */
  stop(): Promise<void>
}

type Ready = Extract<Report, { type: 'ready' }>

/** @throws {Error} with the reason when the server did not start; nothing is left behind then. */
export async function keep(order: Order): Promise<KeptServer> {
  const run = process.versions.deno ? ['run', '--allow-all'] : []
  const keeper = spawn(process.execPath, [...run, siblingFile('keeper', import.meta.url)], {
    // A session of its own: Ctrl-C in the terminal reaches our process group, not the keeper.
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const ended = once(keeper, 'exit')
  const reports = readReports(keeper)
  keeper.stdin.on('error', () => {})
  const send = (line: Order | Command) => keeper.stdin.write(`${JSON.stringify(line)}\n`)

  send(order)
  let ready = await reports.nextReady()
  let stopping = false
  const crashed = new Promise<string>((resolve) => {
    reports.onCrash((reason) => resolve(reason))
    void ended.then(
      () => stopping || resolve(`the keeper of ${order.kind} (process ${keeper.pid}) has ended`),
    )
  })

  return {
    get url() {
      return ready.url
    },
    get port() {
      return ready.port
    },
    get pid() {
      return ready.pid
    },
    get folder() {
      return ready.folder
    },
    keeperPid: keeper.pid ?? 0,
    crashed,
    restart: async () => {
      send('restart')
      ready = await reports.nextReady()
    },
    stop: async () => {
      stopping = true
      keeper.stdin.end()
      await ended
    },
  }
}

function readReports(keeper: ChildProcess) {
  let onReady: (ready: Ready) => void = () => {}
  let onFailure: (error: Error) => void = () => {}
  let onCrash: (reason: string) => void = () => {}
  if (!keeper.stdout) throw new Error('a keeper reports on its stdout')
  const lines = createInterface({ input: keeper.stdout })
  lines.on('line', (line) => {
    const report = JSON.parse(line) as Report
    if (report.type === 'ready') onReady(report)
    else if (report.type === 'failed') onFailure(new Error(report.reason))
    else onCrash(report.reason)
  })
  const over = () =>
    onFailure(new Error(`the keeper (process ${keeper.pid}) ended before its server was ready`))
  lines.once('close', over)
  keeper.once('error', over)
  return {
    nextReady: () =>
      new Promise<Ready>((resolve, reject) => {
        onReady = resolve
        onFailure = reject
      }),
    onCrash: (listener: (reason: string) => void) => {
      onCrash = listener
    },
  }
}
