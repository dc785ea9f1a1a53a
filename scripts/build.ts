import { spawnSync } from 'node:child_process'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import packageJson from '../package.json' with { type: 'json' }
import { createSbom } from './packages/sbom.ts'

/**
 * Compiles the service into one file, `dist/<name>`, and lists what is in it beside it, `dist/<name>.cdx.json`.
 *
 * `--bytecode` starts it three times faster and needs `--format=esm`: the default breaks on a top-level await. The
 * binary must not read a `.env` or a `bunfig.toml` that happens to lie in its working directory.
 */
const { values } = parseArgs({ options: { outfile: { type: 'string' } } })
const root = resolve(import.meta.dirname, '..')
const outfile = values.outfile ?? resolve(root, 'dist', packageJson.name)

mkdirSync(resolve(outfile, '..'), { recursive: true })
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
    `--outfile=${outfile}`,
  ],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
)
if (status !== 0) process.exit(status ?? 1)

const sbom = createSbom(root, packageJson, { name: 'bun', version: process.versions.bun ?? 'unknown' })
writeFileSync(`${outfile}.cdx.json`, `${JSON.stringify(sbom, null, 2)}\n`)

const mebibytes = (path: string) => Math.round(statSync(path).size / 2 ** 20)
process.stdout.write(
  `${relative(process.cwd(), outfile)}: ${mebibytes(outfile)} MiB, of which Bun ${mebibytes(process.execPath)} MiB\n`,
)
