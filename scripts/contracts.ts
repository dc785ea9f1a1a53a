import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { findServiceContractProblems, sharedContractsFolder } from '@kiln/shared/checks'
import { registry } from '../src/infrastructure/events.ts'

/** `bun run contracts:check [--update]`: the contracts against their committed snapshots and golden payloads. */
const root = resolve(import.meta.dirname, '..')
const update = process.argv.includes('--update')
const problems = findServiceContractProblems(root, registry.contracts, update)
if (update) {
  const folders = [sharedContractsFolder() ?? [], resolve(root, 'contracts')].flat().filter(existsSync)
  const format = ['x', '--no-install', 'biome', 'format', '--write', ...folders]
  const { status, stderr } = spawnSync(process.execPath, format, { cwd: root, encoding: 'utf8' })
  if (status !== 0) problems.push(`the snapshots could not be formatted: ${stderr}`)
}
for (const problem of problems) process.stderr.write(`${problem}\n`)
if (problems.length === 0) process.stdout.write('every contract keeps its promise\n')
process.exit(problems.length === 0 ? 0 : 1)
