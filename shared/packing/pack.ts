import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { packedManifest } from './manifest.ts'

/**
 * `prepack` and `postpack` of this package. Deno and Node take no TypeScript from `node_modules`, so what is packed is `dist`,
 * JavaScript and declarations, and a manifest that leads there. The manifest of the tree is put aside meanwhile.
 */
const root = resolve(import.meta.dirname, '..')
const manifest = join(root, 'package.json')
const aside = join(import.meta.dirname, 'package.source.json')

if (process.argv[2] === 'restore') restore()
else prepare()

function prepare(): void {
  // Somebody ended the last packing between its two halves.
  if (existsSync(aside)) restore()
  compile()
  const text = readFileSync(manifest, 'utf8')
  renameSync(manifest, aside)
  writeFileSync(manifest, `${JSON.stringify(packedManifest(JSON.parse(text)), null, 2)}\n`)
}

function restore(): void {
  renameSync(aside, manifest)
  rmSync(join(root, 'dist'), { recursive: true })
}

function compile(): void {
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json')
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(dirname(typescript), 'bin/tsc'), '--project', join(import.meta.dirname, 'tsconfig.json')],
    { encoding: 'utf8' },
  )
  if (status === 0) return
  process.stderr.write(stdout)
  process.exit(1)
}
