import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import {
  findLicenceProblems,
  findServiceContractProblems,
  findSizeProblems,
  findStructureProblems,
  lastingLimits,
  measureSize,
} from '@kiln/shared/checks'
import { registry } from '../src/infrastructure/events.ts'

/** Everything that can be said about the tree without running it: format, lint, types, structure, licences, contracts, size. */
const root = resolve(import.meta.dirname, '..')
const say = (text: string) => process.stdout.write(`${text}\n`)
const failed: string[] = []

function report(name: string, problems: readonly string[]): void {
  say(`${problems.length === 0 ? 'ok    ' : 'FAILED'} ${name}`)
  for (const problem of problems) say(`       ${problem}`)
  if (problems.length > 0) failed.push(name)
}

function run(name: string, ...command: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['x', '--no-install', ...command], {
    cwd: root,
  })
  report(name, status === 0 ? [] : [`${stdout}${stderr}`.trim()])
}

run('format and lint', 'biome', 'ci', '.')
run('types', 'tsc', '--noEmit')
report('structure', findStructureProblems(root))
report('licences', findLicenceProblems(root))
report('contracts', findServiceContractProblems(root, registry.contracts))

const size = measureSize(root)
report(
  `size: src ${size.srcFiles} files, ${size.srcLines} lines; longest ${size.longestFile}, ${size.fileLines} lines`,
  findSizeProblems(size, lastingLimits),
)
process.exit(failed.length === 0 ? 0 : 1)
