import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { git, split, tryGit } from './git.ts'

/** A release of the template as it would be if this service had been created from it; the tree is in git's store alone. */
export interface CreatedTree {
  readonly tree: string
  /** The blob of each file. */
  readonly files: ReadonlyMap<string, string>
}

/** What a release says of itself in its package.json, under `kiln`. */
export interface TemplateManifest {
  readonly name: string
  readonly kiln?: {
    /** The release, which the tag `v<version>` names. */
    readonly version: string
    /** Files and folders that are the template's own: a created service has them not, or others in their place. */
    readonly own: readonly string[]
  }
}

/** Written anew by `bun install`, from what package.json says after the upgrade. */
const lock = 'bun.lock'

/** @param name of the service; stands where the release has its own. */
export function createdTree(root: string, release: string, name: string): CreatedTree {
  const { name: theirName, kiln } = JSON.parse(
    git(['show', `${release}:package.json`], { cwd: root }),
  ) as TemplateManifest
  const own = [...(kiln?.own ?? []), lock]
  const isOwn = (path: string) => own.some((one) => path === one || path.startsWith(`${one}/`))
  const files = new Map([...filesOf(root, release, '--full-tree')].filter(([path]) => !isOwn(path)))
  for (const path of filesWith(theirName, root, release)) {
    const file = files.get(path)
    if (file) files.set(path, { ...file, blob: replaceIn(file.blob, theirName, name, root) })
  }
  return {
    tree: writeTree(root, files),
    files: new Map([...files].map(([path, { blob }]) => [path, blob])),
  }
}

export interface TreeFile {
  readonly mode: string
  readonly blob: string
}

/** The files of a commit; of its part below `root`, unless `--full-tree` is among the options. */
export function filesOf(root: string, commit: string, ...options: string[]): Map<string, TreeFile> {
  const entries = split(git(['ls-tree', '-r', '-z', ...options, commit], { cwd: root })).map((line) => {
    const [, mode = '', blob = '', path = ''] = /^(\d+) \w+ (\w+)\t(.+)$/s.exec(line) ?? []
    return [path, { mode, blob }] as const
  })
  return new Map(entries)
}

/** Git takes paths as seen from here; those of a release are seen from the top. */
export function topOf(root: string): string {
  return git(['rev-parse', '--show-toplevel'], { cwd: root }).trimEnd()
}

function filesWith(text: string, root: string, release: string): string[] {
  const found = tryGit(['grep', '-l', '-z', '-I', '-F', '-e', text, release], { cwd: topOf(root) })
  return split(found.stdout.toString()).map((path) => path.slice(release.length + 1))
}

function replaceIn(blob: string, text: string, by: string, root: string): string {
  const content = git(['cat-file', 'blob', blob], { cwd: root })
  return git(['hash-object', '-w', '--stdin'], { cwd: root, input: content.replaceAll(text, by) }).trim()
}

function writeTree(root: string, files: ReadonlyMap<string, TreeFile>): string {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-upgrade-'))
  try {
    const options = { cwd: root, env: { GIT_INDEX_FILE: join(folder, 'index') } }
    const input = [...files].map(([path, { mode, blob }]) => `${mode} ${blob}\t${path}\0`).join('')
    git(['update-index', '-z', '--index-info'], { ...options, input })
    return git(['write-tree'], options).trim()
  } finally {
    rmSync(folder, { recursive: true })
  }
}
