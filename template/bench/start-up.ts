import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { residentBytes } from './machine.ts'
import { median } from './measure.ts'
import { startServer } from './server.ts'
import { type Shared, service } from './subjects.ts'

export interface StartUp {
  /** From the start of the process to the first connection that it takes. */
  readonly listeningMs: number
  /** A second later, without a request. */
  readonly idleBytes: number | undefined
}

/** Builds the binary into a folder of its own, and starts it `times` times on a migrated database. */
export async function measureStartUp(shared: Shared, times: number): Promise<StartUp> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const binary = join(folder, 'service')
  try {
    const build = fileURLToPath(new URL('../../scripts/build.ts', import.meta.url))
    const { status } = spawnSync(process.execPath, [build, '--outfile', binary], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    if (status !== 0) throw new Error('the binary cannot be built')
    const starts: StartUp[] = []
    // One more than is counted: the first reads the file from the disk.
    for (let count = 0; count <= times; count += 1) starts.push(await startOnce(binary, shared))
    const counted = starts.slice(1)
    const known = counted.flatMap(({ idleBytes }) => (idleBytes === undefined ? [] : [idleBytes]))
    return {
      listeningMs: median(counted.map(({ listeningMs }) => listeningMs)),
      idleBytes: known.length === 0 ? undefined : median(known),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startOnce(binary: string, shared: Shared): Promise<StartUp> {
  const server = await startServer(service(binary, ['serve'], shared))
  try {
    await delay(1000)
    return { listeningMs: server.listeningMs, idleBytes: residentBytes(server.pid) }
  } finally {
    await server.stop()
  }
}
