import { existsSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

/** The TypeScript files below those of some folders that are there, relative to `root`, with `/`, in alphabetical order. */
export function sourceFiles(root: string, folders: readonly string[]): string[] {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
        .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/')),
    )
    .filter((file) => !/(^|\/)(node_modules|dist)\//.test(file))
    .sort()
}
