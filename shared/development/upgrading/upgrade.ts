import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Changes, changesBetween } from './changes.ts'
import { createdTree, type TemplateManifest, topOf } from './created-tree.ts'
import { git, split, tryGit } from './git.ts'

/** Why nothing was done, in a sentence for people; the tree is as it was. */
export class UpgradeRefused extends Error {}

export interface UpgradeOptions {
  /** The folder of the service. */
  readonly root: string
  /** The template's repository: a URL, a folder or the name of a remote. */
  readonly from: string
  /** A release; unset: the newest. */
  readonly to?: string | undefined
}

export interface Upgrade extends Changes {
  readonly from: string
  readonly to: string
  /** Files with conflict markers. */
  readonly conflicts: readonly string[]
}

/**
 * Applies what two releases of the template differ in, as a three-way merge of each file. The changes are staged, and
 * nothing is committed.
 *
 * @returns undefined when there is nothing to do.
 * @throws {UpgradeRefused} before anything is changed.
 */
export function upgrade({ root, from, to }: UpgradeOptions): Upgrade | undefined {
  const { name, kiln } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as TemplateManifest
  const refuse = (reason: string): never => {
    throw new UpgradeRefused(reason)
  }
  if (tryGit(['rev-parse', '--verify', 'HEAD'], { cwd: root }).status !== 0)
    refuse('This folder is in no git repository with a commit, so an upgrade could not be taken back.')
  if (git(['status', '--porcelain'], { cwd: root }) !== '')
    refuse('There are changes that are not committed. Commit or stash them first.')
  if (!kiln?.version) return refuse('package.json does not say from which release it came (kiln.version).')
  const releases = fetchReleases(root, from)
  const current = kiln.version
  const next = to ?? releases.at(-1) ?? current
  for (const release of [current, next])
    if (!releases.includes(release)) refuse(`${from} has no tag v${release}.`)
  if (releases.indexOf(next) < releases.indexOf(current)) refuse(`${next} is older than ${current}.`)
  if (next === current) return undefined

  const [base, target] = [current, next].map((release) => createdTree(root, refOf(release), name))
  if (!base || !target) return undefined
  const changes = changesBetween(root, base, target)
  const patch = tryGit(
    ['diff', '--no-renames', '--binary', '--full-index', base.tree, target.tree, '--', ...changes.apply],
    { cwd: topOf(root) },
  )
  const folder = git(['rev-parse', '--show-prefix'], { cwd: root }).trimEnd()
  const applied = tryGit(
    ['apply', '--3way', '--whitespace=nowarn', ...(folder ? [`--directory=${folder}`] : []), '-'],
    { cwd: topOf(root), input: patch.stdout },
  )
  const conflicts = split(git(['diff', '-z', '--name-only', '--relative', '--diff-filter=U'], { cwd: root }))
  if (applied.status !== 0 && conflicts.length === 0) refuse(`git could not apply it: ${applied.stderr}`)
  return { from: current, to: next, ...changes, conflicts }
}

/** Kept apart from the service's own tags. */
const refOf = (release: string) => `refs/kiln/v${release}`

/** Oldest first, without those before a release, such as 2.0.0-beta. */
function fetchReleases(root: string, from: string): string[] {
  const fetched = tryGit(['fetch', '--quiet', '--no-tags', '--force', from, 'refs/tags/v*:refs/kiln/v*'], {
    cwd: root,
  })
  if (fetched.status !== 0)
    throw new UpgradeRefused(`The template could not be fetched from ${from}: ${fetched.stderr}`)
  return git(['for-each-ref', '--sort=version:refname', '--format=%(refname:lstrip=2)', 'refs/kiln'], {
    cwd: root,
  })
    .split('\n')
    .flatMap((tag) => /^v(\d+\.\d+\.\d+)$/.exec(tag)?.[1] ?? [])
}
