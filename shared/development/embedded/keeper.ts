/**
 * Runs one server for the process that started this one, and ends it when that process is gone.
 *
 * The first line on stdin is an `Order`, later ones are `Command`s; stdout carries `Report`s. The end of stdin,
 * which comes however the owner ends, stops the server and removes its temporary folder. Signals are ignored:
 * a Ctrl-C meant for the owner must not take the server from under it.
 */
import { writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { claimFolder, privateFolder, temporaryFolder } from './folders.ts'
import type { Order, Report } from './order.ts'
import { postgresRecipe } from './postgres-recipe.ts'
import { redisRecipe } from './redis-recipe.ts'
import { endOfLog, type Recipe, type Server, startServer, stopServer } from './server.ts'

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const ownerGone = new AbortController()
const lines = createInterface({ input: process.stdin })
lines.once('close', () => ownerGone.abort())
const input = lines[Symbol.asyncIterator]()

const first = await input.next()
if (!first.done) {
  const failure = await keep(JSON.parse(first.value) as Order)
  if (failure) report({ type: 'failed', reason: failure })
}
process.exit(0)

/** @returns why the server could not be run; by then nothing is left of it. */
async function keep(order: Order): Promise<string | undefined> {
  let folder = ''
  let release = async () => {}
  try {
    folder = order.folder ?? (await temporaryFolder(order.kind))
    await privateFolder(folder)
    release = await claimFolder(folder)
    const recipe = await (order.kind === 'postgres'
      ? postgresRecipe(order, folder)
      : redisRecipe(order, folder))
    return await keepRunning(recipe, folder)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    await release()
    if (folder && !order.folder) await rm(folder, { recursive: true, force: true })
  }
}

async function keepRunning(recipe: Recipe, folder: string): Promise<undefined> {
  let running = await start(recipe, folder)
  for (;;) {
    const { done } = await input.next()
    running.wanted = false
    await stopServer(recipe, running.server)
    if (done) return
    running = await start({ ...recipe, port: running.server.port }, folder)
  }
}

/** A server that ends by itself is reported, and its folder kept until the owner restarts it, stops it or ends. */
async function start(recipe: Recipe, folder: string): Promise<{ server: Server; wanted: boolean }> {
  const server = await startServer(recipe, ownerGone.signal)
  const running = { server, wanted: true }
  const { port, pid } = server
  report({ type: 'ready', url: recipe.url(port), port, pid, folder })
  void server.ended.then(() => {
    if (running.wanted)
      report({ type: 'crashed', reason: `${recipe.name} ended by itself:\n${endOfLog(recipe.logFile)}` })
  })
  return running
}

function report(line: Report): void {
  try {
    writeSync(1, `${JSON.stringify(line)}\n`)
  } catch {
    // Nobody is left to read it.
  }
}
