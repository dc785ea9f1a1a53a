import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { apply, copyOfTree } from '../chaos/build.ts'
import { defences } from './defences/all.ts'
import type { Defence } from './defences/defence.ts'

/**
 * `bun run attacks [--without <defence>]…`: takes out one defence after the other, all or those that are named, and runs the
 * attacks that each stops.
 *
 * Exit code 0 when each was missed.
 */
const { values } = parseArgs({ options: { without: { type: 'string', multiple: true } } })
const root = resolve(import.meta.dirname, '../..')
const chosen = defences.filter(({ name }) => values.without?.includes(name) ?? true)
if (chosen.length === 0)
  throw new Error(`there are the defences ${defences.map(({ name }) => name).join(', ')}`)

/** The tests that fail without a defence. */
function failures({ edits, test }: Pick<Defence, 'edits' | 'test'>): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'attacks-'))
  try {
    const tree = copyOfTree(folder)
    for (const name of ['tests', 'template/tests', 'bunfig.toml', '.env.example'])
      cpSync(join(root, name), join(tree, name), { recursive: true })
    for (const edit of edits) apply(tree, edit)
    const args = ['test', '--timeout', '20000', test]
    const env = { ...process.env, NO_COLOR: '1' }
    // An attack that nothing stops may have no end.
    const limits = { timeout: 120_000, killSignal: 'SIGKILL' } as const
    const { stderr, signal } = spawnSync(process.execPath, args, {
      cwd: tree,
      encoding: 'utf8',
      env,
      ...limits,
    })
    // What cannot be built, or does not start, misses nothing.
    if (signal === null && !/^(\(pass\) |error: expect\()/m.test(stderr))
      return edits.length === 0 ? ['it does not run'] : []
    // Bun names them once more at the end.
    return [
      ...(signal === null ? [] : ['the attack goes on for ever']),
      ...new Set([...stderr.matchAll(/^\(fail\) (.+?)(?: \[[\d.]+m?s\])?$/gm)].map(([, name = '']) => name)),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Files that fail as they are prove nothing. */
const failing = new Set(
  [...new Set(chosen.map(({ test }) => test))].filter((test) => failures({ edits: [], test }).length > 0),
)
for (const test of failing) process.stdout.write(`with every defence in place ${test} fails\n`)
if (failing.size > 0) process.exitCode = 1
for (const defence of chosen.filter(({ test }) => !failing.has(test))) {
  const failed = failures(defence)
  if (failed.length === 0) process.exitCode = 1
  process.stdout.write(
    `| ${defence.name} | \`${defence.test}\` | ${failed.length} | ${failed[0] ?? 'NOT MISSED'} |\n`,
  )
}
// The servers that were started for it are kept as long as it runs.
process.exit()
