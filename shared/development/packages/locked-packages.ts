import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'

/** A package that the running service has, as `bun.lock` pins it. */
export interface LockedPackage {
  readonly name: string
  readonly version: string
  /** `sha512-…`, base64. */
  readonly integrity: string
  /** Where it is installed, relative to the folder of the lock; not there where it is for another platform. */
  readonly folder: string
  /** The folders of what it needs. */
  readonly needs: readonly string[]
}

type Needs = Readonly<Record<string, string>>

interface Manifest {
  readonly name?: string
  readonly dependencies?: Needs
  readonly optionalDependencies?: Needs
  readonly peerDependencies?: Needs
  readonly optionalPeers?: readonly string[]
}

interface Lock {
  readonly workspaces: Readonly<Record<string, Manifest>>
  readonly packages: Readonly<Record<string, Locked>>
}

/** Its name and version, or whence it came; its registry, unless it came as a tarball; what it needs; its hash. */
type Locked = readonly [string, string, Manifest, string] | readonly [string, Manifest, string]

/**
 * Everything that the `dependencies` of the service in `root` lead to, those of workspaces included, by folder; what is only for
 * development, or for another service of the same repository, is left out.
 */
export function lockedPackages(root: string): LockedPackage[] {
  const folder = lockFolder(root)
  const { workspaces, packages } = readLock(folder)
  const found = new Map<string, LockedPackage>()
  const visited = new Set<string>()
  const visit = (key: string): void => {
    const locked = packages[key]
    if (locked === undefined || found.has(key)) return
    const [id] = locked
    const workspace = id.split('@workspace:')[1]
    if (workspace !== undefined) {
      visitNeedsOf(workspace)
      return
    }
    const fromTarball = locked.length === 3
    const [manifest, integrity] = fromTarball ? [locked[1], locked[2]] : [locked[2], locked[3]]
    const at = id.indexOf('@', 1)
    const needs = neededBy(manifest).flatMap((name) => resolve(key, name, packages))
    found.set(key, {
      name: id.slice(0, at),
      version: fromTarball ? installedVersion(join(folder, folderOf(key))) : id.slice(at + 1),
      integrity,
      folder: folderOf(key),
      needs: needs.map(folderOf).sort(),
    })
    needs.forEach(visit)
  }
  const visitNeedsOf = (workspace: string): void => {
    if (visited.has(workspace)) return
    visited.add(workspace)
    const { name: key = '', dependencies = {} } = workspaces[workspace] ?? {}
    for (const name of Object.keys(dependencies)) resolve(key, name, packages).forEach(visit)
  }
  visitNeedsOf(relative(folder, root).split(sep).join('/'))
  return [...found.values()].sort((one, other) => (one.folder < other.folder ? -1 : 1))
}

/** What a package's own manifest says; undefined where it is not installed. */
export function installedManifest(
  root: string,
  { folder }: LockedPackage,
): { readonly license?: unknown } | undefined {
  const file = join(lockFolder(root), folder, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

function installedVersion(folder: string): string {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
}

/** The nearest above, where several services are workspaces of one repository. */
function lockFolder(folder: string): string {
  if (existsSync(join(folder, 'bun.lock'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('there is no bun.lock; `bun install` writes it')
  return lockFolder(parent)
}

/** JSON, but for the commas before closing brackets. */
function readLock(folder: string): Lock {
  return JSON.parse(readFileSync(join(folder, 'bun.lock'), 'utf8').replace(/,(\s*[}\]])/g, '$1'))
}

function neededBy({ dependencies, optionalDependencies, peerDependencies, optionalPeers = [] }: Manifest) {
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => !optionalPeers.includes(name))
  return [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]
}

/** As modules are found: beside the package, or below a folder around it. Keys read `outer/inner`. */
function resolve(key: string, name: string, packages: Lock['packages']): string[] {
  const candidates = [`${key}/${name}`, name]
  for (let end = key.lastIndexOf('/'); end > 0; end = key.lastIndexOf('/', end - 1))
    candidates.splice(-1, 0, `${key.slice(0, end)}/${name}`)
  return candidates.filter((candidate) => candidate in packages).slice(0, 1)
}

/** `outer/@scope/inner` is `node_modules/outer/node_modules/@scope/inner`. */
function folderOf(key: string): string {
  const names = key.match(/@[^/]+\/[^/]+|[^/]+/g) ?? []
  return names.map((name) => `node_modules/${name}`).join('/')
}
