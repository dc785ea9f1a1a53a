import { existsSync, watch } from 'node:fs'
import { join } from 'node:path'

/** Resolves when a file under `src` or `shared` changes. */
export async function nextSave(project: string): Promise<void> {
  const folders = ['src', 'shared'].map((name) => join(project, name)).filter((folder) => existsSync(folder))
  const done = new AbortController()
  await new Promise<void>((resolve) => {
    for (const folder of folders) watch(folder, { recursive: true, signal: done.signal }, () => resolve())
  })
  done.abort()
}
