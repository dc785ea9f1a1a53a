import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

/** A text that must stand in a file exactly once, and what takes its place. */
export interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Binaries {
  readonly service: string
  readonly consumer: string
}

/**
 * Compiles the service and the consumer into a folder: from the tree as it is or, with edits, from a copy of it.
 *
 * @throws {Error} when a text does not stand in its file exactly once, or something does not compile.
 */
export function build(folder: string, edits: readonly Edit[] = []): Binaries {
  const tree = edits.length === 0 ? root : copyOfTree(join(folder, 'source'))
  for (const edit of edits) apply(tree, edit)
  const binaries = { service: join(folder, 'service'), consumer: join(folder, 'consumer') }
  run([join(tree, 'scripts/build.ts'), '--outfile', binaries.service], tree)
  const flags = ['--compile', '--format=esm', '--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig']
  const source = join(tree, 'template/chaos/consumer.ts')
  run(['build', source, ...flags, `--outfile=${binaries.consumer}`], tree)
  return binaries
}

/** A copy with the dependencies of the tree itself, but for the shared package, which is part of the copy. */
export function copyOfTree(copy: string): string {
  for (const name of [
    'package.json',
    'bun.lock',
    'tsconfig.json',
    'scripts',
    'shared',
    'src',
    'template/chaos',
  ])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  const modules = join(copy, 'node_modules')
  mkdirSync(join(modules, '@kiln'), { recursive: true })
  symlinkSync('../../shared', join(modules, '@kiln/shared'))
  for (const name of readdirSync(join(root, 'node_modules')).filter((name) => name !== '@kiln'))
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  return copy
}

/** @throws {Error} when the text does not stand in its file exactly once. */
export function apply(tree: string, { file, find, replace }: Edit): void {
  const parts = readFileSync(join(tree, file), 'utf8').split(find)
  if (parts.length !== 2) throw new Error(`${file} has this ${parts.length - 1} times, not once:\n${find}`)
  writeFileSync(join(tree, file), parts.join(replace))
}

function run(args: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`bun ${args.join(' ')} failed:\n${stdout}${stderr}`)
}
