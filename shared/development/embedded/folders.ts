import { chmod, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Where root keeps what an unprivileged server must reach: a clone or TMPDIR may be closed to it. */
export const sharedTemporary = '/var/tmp'

export const isRoot = process.getuid?.() === 0

/** A new folder that only we write to and that a server under another account may pass through. */
export async function temporaryFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(isRoot ? sharedTemporary : tmpdir(), `${name}-`))
  await chmod(folder, isRoot ? 0o711 : 0o700)
  return folder
}

/**
 * Makes the folder when it is missing.
 *
 * @throws {Error} when it belongs to someone else or others may write to it: in a shared place anyone can make a
 * folder of that name first.
 */
export async function privateFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (made) await chmod(folder, isRoot ? 0o711 : 0o700)
  await assertOurs(folder)
}

/** @throws {Error} as `privateFolder` does. */
export async function assertOurs(folder: string): Promise<void> {
  const stats = await lstat(folder)
  const ours = stats.isDirectory() && stats.uid === (process.getuid?.() ?? stats.uid) && !(stats.mode & 0o022)
  if (!ours)
    throw new Error(`${folder} is not a folder that only this user can write to; remove it and start again`)
}

/**
 * Takes a folder for this process until the function it returns is called. What a killed owner left is no
 * obstacle; an owner that is just ending is waited for.
 *
 * @throws {Error} naming the process that uses it.
 */
export async function claimFolder(folder: string, waitMs = 3_000): Promise<() => Promise<void>> {
  const claim = join(folder, 'keeper.pid')
  const deadline = performance.now() + waitMs
  for (;;) {
    try {
      await writeFile(claim, String(process.pid), { flag: 'wx' })
      return () => rm(claim, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = Number(await readFile(claim, 'utf8').catch(() => '0'))
    // Empty for the instant between its creation and its first byte.
    if (owner && !(await isKeeper(owner))) await rm(claim, { force: true })
    else if (performance.now() > deadline)
      throw new Error(`${folder} is in use by process ${owner}; end that one first`)
    else await delay(50)
  }
}

/** Process numbers are reused: a living one proves nothing unless it runs what we run. */
async function isKeeper(pid: number): Promise<boolean> {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch {
    // Gone, or another user's: the folder is ours, and so would its keeper be.
    return false
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'keeper.ts')
  return /\bkeeper\.[jt]s\b/.test(command)
}
