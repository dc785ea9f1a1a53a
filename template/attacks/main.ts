import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { apply, copyOfTree } from '../chaos/build.ts'
import { type Defence, defences } from './defences.ts'

/**
 * `bun run attacks [--without <defence>]`: takes out one defence after the other, or one, and runs the attacks that it stops.
 *
 * Exit code 0 when each was missed.
 */
const { values } = parseArgs({ options: { without: { type: 'string' } } })
const root = resolve(import.meta.dirname, '../..')
const chosen = defences.filter(({ name }) => values.without === undefined || name === values.without)
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
    const { stderr } = spawnSync(process.execPath, args, { cwd: tree, encoding: 'utf8', env })
    if (!/^ *[1-9]\d* pass$/m.test(stderr)) throw new Error(`${test} does not run:\n${stderr}`)
    // Bun names them once more at the end.
    return [
      ...new Set([...stderr.matchAll(/^\(fail\) (.+?)(?: \[[\d.]+m?s\])?$/gm)].map(([, name = '']) => name)),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

for (const test of new Set(chosen.map((defence) => defence.test))) {
  const failed = failures({ edits: [], test })
  if (failed.length > 0) throw new Error(`with every defence in place, these fail: ${failed.join(', ')}`)
}
for (const defence of chosen) {
  const failed = failures(defence)
  if (failed.length === 0) process.exitCode = 1
  process.stdout.write(
    `| ${defence.name} | \`${defence.test}\` | ${failed.length} | ${failed[0] ?? 'NOT MISSED'} |\n`,
  )
}
