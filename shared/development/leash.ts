/**
 * Runs the watched service in the working directory until stdin closes, which it does however the owner ends.
 * `bun --watch` itself ends when the service leaves by process.exit, as it does over a wrong configuration: then the
 * next save starts it again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { nextSave } from './saves.ts'

const graceMs = 15_000

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

let service: ChildProcess | undefined
let ending = false

process.stdin.once('close', end).once('end', end).resume()

while (!ending) {
  service = spawn(process.execPath, ['--watch', '--no-clear-screen', 'src/main.ts', 'serve', '--migrate'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code, signal] = await once(service, 'exit')
  if (ending) break
  // Watched before it is said: who reads this may save at once.
  const saved = nextSave(process.cwd())
  process.stderr.write(
    `The service has ended (${signal ?? `exit code ${code}`}); the next save starts it again.\n`,
  )
  await saved
}

async function end(): Promise<void> {
  if (ending) return
  ending = true
  if (service && service.exitCode === null && service.signalCode === null) {
    const exit = once(service, 'exit')
    service.kill('SIGINT')
    if (!(await Promise.race([exit, delay(graceMs, false)]))) {
      service.kill('SIGKILL')
      await exit
    }
  }
  process.exit(0)
}
