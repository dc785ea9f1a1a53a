import { dirname } from 'node:path/posix'
import { type CreatedTree, filesOf } from './created-tree.ts'
import { git, split } from './git.ts'

/** What two releases differ in, seen from a service that has changed since. */
export interface Changes {
  /** To be applied, with what the service made of the files. */
  readonly apply: readonly string[]
  /** Not to be, for the service has removed the file, or the folder of a new one. */
  readonly gone: readonly string[]
  /** Removed by the template, but changed by the service: they stay. */
  readonly kept: readonly string[]
}

export function changesBetween(root: string, base: CreatedTree, target: CreatedTree): Changes {
  const listed = split(
    git(['diff-tree', '-r', '-z', '--no-renames', '--name-status', base.tree, target.tree], { cwd: root }),
  )
  const ours = filesOf(root, 'HEAD')
  const [baseFolders, ourFolders] = [foldersOf(base.files.keys()), foldersOf(ours.keys())]
  const changes = { apply: [] as string[], gone: [] as string[], kept: [] as string[] }
  for (let at = 0; at + 1 < listed.length; at += 2) {
    const [status, path = ''] = [listed[at], listed[at + 1]]
    const our = ours.get(path)?.blob
    if (status === 'A') {
      const removed = ancestors(path).some((folder) => baseFolders.has(folder) && !ourFolders.has(folder))
      changes[removed ? 'gone' : 'apply'].push(path)
    } else if (status === 'D') {
      if (our !== undefined) changes[our === base.files.get(path) ? 'apply' : 'kept'].push(path)
    } else changes[our === undefined ? 'gone' : 'apply'].push(path)
  }
  return changes
}

function foldersOf(paths: Iterable<string>): ReadonlySet<string> {
  return new Set([...paths].flatMap(ancestors))
}

function ancestors(path: string): string[] {
  const folder = dirname(path)
  return folder === '.' ? [] : [folder, ...ancestors(folder)]
}
