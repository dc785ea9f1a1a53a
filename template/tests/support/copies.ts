import { expect } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { makeService } from '../../../scripts/creating/service.ts'

export const templateRoot = resolve(import.meta.dirname, '../../..')

/**
 * Runs a command to its end.
 *
 * @returns what it printed.
 * @throws {Error} with all that it wrote, when it fails.
 */
export function run(command: string, args: readonly string[], { cwd }: { readonly cwd: string }): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}:\n${stdout}${stderr}`)
  return stdout
}

/** The files that git knows, or will once they are added, below some folders. */
function treeFiles(...folders: string[]): string[] {
  const listed = run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', ...folders], {
    cwd: templateRoot,
  })
  return listed.split('\0').filter(Boolean)
}

export function copyFiles(files: readonly string[], to: string): void {
  for (const file of files) {
    mkdirSync(dirname(join(to, file)), { recursive: true })
    cpSync(join(templateRoot, file), join(to, file))
  }
}

/** The workspace, as the folder `shared`. */
export function copyShared(to: string): void {
  copyFiles(treeFiles('shared'), to)
}

/** The whole tree, as a release of the template has it. */
export function copyTemplate(to: string): void {
  copyFiles(treeFiles(), to)
}

/** A service as it is created from the template, by the name. */
export function createService(to: string, name: string): void {
  copyFiles(
    treeFiles().filter((file) => !file.startsWith('template/')),
    to,
  )
  edit(join(to, 'package.json'), '"name": "example-service"', `"name": "${name}"`)
  makeService(to)
}

/** @throws {Error} when the file has not the text, once. */
export function edit(file: string, replace: string, by: string): void {
  const text = readFileSync(file, 'utf8')
  if (text.split(replace).length !== 2) throw new Error(`${file} has not ${replace} once`)
  writeFileSync(
    file,
    text.replace(replace, () => by),
  )
}

/** The packages of this tree, except for those that the folder has itself. */
export function linkPackages(to: string, leaveOut: readonly string[] = []): void {
  const [from, modules] = [join(templateRoot, 'node_modules'), join(to, 'node_modules')]
  mkdirSync(modules, { recursive: true })
  for (const name of readdirSync(from).filter((name) => name !== '@kiln' && !leaveOut.includes(name)))
    symlinkSync(join(from, name), join(modules, name))
}

/** Both call `prepack` and `postpack`. */
const packers = {
  bun: [process.execPath, 'pm', 'pack', '--quiet', '--destination'],
  npm: ['npm', 'pack', '--silent', '--pack-destination'],
} as const

/**
 * Packs a `shared` folder, beside which its packages lie.
 *
 * @returns the tarball.
 */
export function packShared(shared: string, packer: keyof typeof packers): string {
  const [command, ...args] = packers[packer]
  const folder = dirname(shared)
  run(command, [...args, folder], { cwd: shared })
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  if (!tarball) throw new Error('nothing was packed')
  return join(folder, tarball)
}

/** A tarball is to hold built files alone, and a manifest that leads to them and would not be refused by a registry. */
export function expectPacked(tarball: string): void {
  const cwd = dirname(tarball)
  const files = run('tar', ['-tzf', tarball], { cwd }).split('\n').filter(Boolean)
  const manifest = JSON.parse(run('tar', ['-xzOf', tarball, 'package/package.json'], { cwd }))
  const entries: { types: string; default: string }[] = Object.values(manifest.exports)
  const named = entries.flatMap((entry) => [entry.types, entry.default]).filter((file) => !file.includes('*'))

  expect(named.length).toBeGreaterThan(30)
  expect(files).toEqual(expect.arrayContaining(named.map((file) => join('package', file))))
  expect(files.filter((file) => !/^package\/dist\/.*\.(js|d\.ts)$/.test(file)).sort()).toEqual([
    'package/README.md',
    'package/dist/events/contracts/golden.json',
    'package/package.json',
  ])
  expect(manifest).not.toHaveProperty('private')
  expect(manifest).not.toHaveProperty('scripts')
}
