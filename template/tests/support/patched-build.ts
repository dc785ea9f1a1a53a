import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { isCompiled, underTest } from '../../../tests/support/process.ts'

const root = resolve(import.meta.dirname, '../../..')

/** A change of one file. What it replaces must be there, once, or the test would prove nothing. */
export interface Patch {
  readonly file: string
  readonly replace: RegExp
  readonly by: string
}

/**
 * Copies this service and changes its source; the packages are those of this tree.
 *
 * @param folder where the copy goes; must not exist.
 */
export function copyPatched(folder: string, patches: readonly Patch[]): void {
  for (const part of [
    'src',
    'shared',
    'scripts',
    'package.json',
    'bun.lock',
    'tsconfig.json',
    'biome.json',
    '.gitignore',
  ]) {
    const filter = (source: string) => basename(source) !== 'node_modules'
    cpSync(join(root, part), join(folder, part), { recursive: true, filter })
  }
  linkPackages(folder)
  patch(folder, patches)
}

/** Gives a copy of this tree the packages of this one, and its own `shared`. */
export function linkPackages(folder: string): void {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@kiln'), { recursive: true })
  symlinkSync(join(folder, 'shared'), join(modules, '@kiln/shared'))
  for (const name of readdirSync(join(root, 'node_modules')).filter((name) => name !== '@kiln'))
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
}

/** @throws when a file has not what a patch replaces, or has it twice; those before it are applied then. */
export function patch(folder: string, patches: readonly Patch[]): void {
  for (const { file, replace, by } of patches) {
    const text = readFileSync(join(folder, file), 'utf8')
    if (text.split(replace).length !== 2) throw new Error(`${file} has not ${replace} once`)
    writeFileSync(join(folder, file), text.replace(replace, by))
  }
}

/**
 * Compiles a copy of this service whose source was changed, as another release of it.
 *
 * @param folder where the copy goes; must not exist.
 * @returns the program.
 */
export async function buildPatched(folder: string, patches: readonly Patch[]): Promise<string> {
  copyPatched(folder, patches)
  const program = join(folder, 'program')
  const build = spawn(process.execPath, [join(folder, 'scripts/build.ts'), `--outfile=${program}`], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  build.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const [code] = await once(build, 'close')
  if (code !== 0) throw new Error(`the build failed:\n${errors}`)
  return program
}

/**
 * A copy of this service whose source was changed, as what is tested runs: compiled, or by the runtime under test.
 *
 * @param folder where the copy goes; must not exist.
 * @returns the program.
 */
export async function programPatched(folder: string, patches: readonly Patch[]): Promise<string> {
  if (isCompiled) return await buildPatched(folder, patches)
  copyPatched(folder, patches)
  const program = join(folder, 'program')
  const command = [...underTest.slice(0, -1), join(folder, 'src/main.ts')]
  writeFileSync(program, `#!/bin/sh\nexec ${command.join(' ')} "$@"\n`)
  chmodSync(program, 0o755)
  return program
}
