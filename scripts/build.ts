import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { createSbom } from '@kiln/shared/sbom'
import packageJson from '../package.json' with { type: 'json' }

/**
 * Compiles the service into one file, `dist/<name>`; with `--all` into one for each platform, `dist/<name>-<platform>`,
 * with their SHA-256 in `dist/SHA256SUMS`. What they are made of is in `dist/<name>.cdx.json`. Bun fetches the runtime of a platform that is not its own from npm, once.
 */
const platforms = ['linux-x64', 'linux-x64-baseline', 'linux-arm64']

const { values } = parseArgs({ options: { all: { type: 'boolean' }, outfile: { type: 'string' } } })
const root = resolve(import.meta.dirname, '..')
const dist = resolve(root, 'dist')

if (values.all) {
  const files = platforms.map((platform) => {
    const file = resolve(dist, `${packageJson.name}-${platform}`)
    compile(file, [`--target=bun-${platform}`])
    say(`${relative(process.cwd(), file)}: ${mebibytes(file)} MiB`)
    return file
  })
  const sums = files.map(
    (file) => `${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${basename(file)}\n`,
  )
  writeFileSync(resolve(dist, 'SHA256SUMS'), sums.join(''))
  list(resolve(dist, `${packageJson.name}.cdx.json`))
} else {
  const file = resolve(values.outfile ?? resolve(dist, packageJson.name))
  compile(file)
  list(`${file}.cdx.json`)
  say(
    `${relative(process.cwd(), file)}: ${mebibytes(file)} MiB, of which Bun ${mebibytes(process.execPath)} MiB`,
  )
}

/**
 * `--bytecode` starts it three times faster and needs `--format=esm`: the default breaks on a top-level await. The
 * binary must read nothing that happens to lie in its working directory.
 */
function compile(outfile: string, options: readonly string[] = []): void {
  mkdirSync(dirname(outfile), { recursive: true })
  const { status } = spawnSync(
    process.execPath,
    [
      'build',
      resolve(root, 'src/main.ts'),
      '--compile',
      '--minify',
      '--bytecode',
      '--format=esm',
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      '--no-compile-autoload-tsconfig',
      '--no-compile-autoload-package-json',
      `--outfile=${outfile}`,
      ...options,
    ],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  if (status !== 0) process.exit(status ?? 1)
}

/** The software bill of materials, CycloneDX. */
function list(outfile: string): void {
  const sbom = createSbom(root, packageJson, { name: 'bun', version: process.versions.bun ?? 'unknown' })
  writeFileSync(outfile, `${JSON.stringify(sbom, null, 2)}\n`)
}

function mebibytes(file: string): number {
  return Math.round(statSync(file).size / 2 ** 20)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
