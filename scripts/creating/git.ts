import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const byHand = 'git add --all && git commit --message "Initial commit"'

/**
 * Makes the first commit, which `bun create` has made of the raw copy, one of the service.
 *
 * @returns what became of it, as a sentence.
 */
export function keepInGit(root: string): string {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  if (!existsSync(join(root, '.git'))) {
    const around = git('rev-parse', '--show-toplevel')
    return around.status === 0
      ? `Not committed: the folder belongs to the repository ${around.stdout.trim()}.`
      : 'Not in git, as asked.'
  }
  const staged = git('add', '--all')
  if (staged.error || staged.status !== 0) return `Not committed: git add failed. By hand: ${byHand}`
  const amends = git('rev-parse', '--verify', '--quiet', 'HEAD').status === 0 ? ['--amend'] : []
  const message = ['--message', 'Initial commit']
  const { status } = git('commit', '--quiet', '--no-verify', ...amends, ...message)
  return status === 0
    ? 'Committed: the first commit is the service.'
    : `Not committed: git does not know who you are, or refused. By hand: ${byHand}`
}
