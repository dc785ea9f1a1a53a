import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

export const coreCount = cpus().length

const has = (command: string) => spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined
const canPin = coreCount > 1 && has('taskset')

/** The servers have one core, what asks them (and the database) has the other. */
const cores = { server: '0', client: '1' } as const

/** A command on the core of its part, where the machine allows it. */
export function pinned(
  part: keyof typeof cores,
  file: string,
  args: readonly string[],
): [file: string, args: string[]] {
  return canPin ? ['taskset', ['-c', cores[part], file, ...args]] : [file, [...args]]
}

/** Moves this process, and so what it starts from now on, to the client's core. */
export function pinSelf(): void {
  if (canPin) spawnSync('taskset', ['-cp', cores.client, String(process.pid)], { stdio: 'ignore' })
}

/** @throws {Error} saying what to install. */
export function requireWrk(): void {
  if (!has('wrk')) throw new Error('wrk is missing: apt-get install wrk, or brew install wrk')
}

/** CPU time that a process has used, microseconds; undefined where there is no /proc. */
export function cpuTimeUs(pid: number): number | undefined {
  const fields = readProc(pid, 'stat')
    ?.replace(/^.*\) /, '')
    .split(' ')
  const ticksPerSecond = 100
  return fields && ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6
}

/** Memory that a process holds, bytes; undefined where there is no /proc. */
export function residentBytes(pid: number): number | undefined {
  const kibibytes = /^VmRSS:\s+(\d+)/m.exec(readProc(pid, 'status') ?? '')?.[1]
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
