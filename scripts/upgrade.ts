import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Upgrade, UpgradeRefused, upgrade } from '@kiln/shared/upgrading'

/**
 * `bun run upgrade [version] [--from <repository>]`: brings what changed in the template since this service was created, or last
 * upgraded, into it. Exit code 0 when all went in, 1 when there are conflicts or nothing was done.
 */
const { values, positionals } = parseArgs({ allowPositionals: true, options: { from: { type: 'string' } } })
const root = resolve(import.meta.dirname, '..')
const say = (text: string) => process.stdout.write(`${text}\n`)

try {
  const done = upgrade({ root, from: values.from ?? 'kiln', to: positionals[0]?.replace(/^v/, '') })
  if (done) report(done)
  else say('Nothing to do: this is the newest release.')
} catch (error) {
  if (!(error instanceof UpgradeRefused)) throw error
  process.stderr.write(`${error.message} Nothing was changed.\n`)
  process.exitCode = 1
}

function report({ from, to, apply, gone, kept, conflicts }: Upgrade): void {
  say(`Kiln ${from} to ${to}: ${apply.length} files, staged and not committed.`)
  list('Left out, for this service has removed them', gone)
  list('Kept, for they were changed here; the template has removed them', kept)
  list('In conflict, with both sides marked in the file', conflicts)
  say('Next:')
  if (conflicts.length > 0) say('  edit what is in conflict, package.json first, and git add it')
  for (const step of ['bun install', 'bun run check', 'bun run test', 'git commit']) say(`  ${step}`)
  if (conflicts.length > 0) process.exitCode = 1
}

function list(what: string, files: readonly string[]): void {
  if (files.length > 0) say([`${what}:`, ...files.map((file) => `  ${file}`)].join('\n'))
}
