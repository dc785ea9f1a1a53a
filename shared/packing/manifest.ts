/** The part of a package.json that packing changes. */
export interface Manifest {
  readonly exports: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

/** Of the tree: they would do nothing, or harm, where the package is installed. */
const notPacked = new Set(['private', 'scripts', 'devDependencies'])

/**
 * The manifest of the package that others install: each entry is a file of `dist`, with its declarations, and nothing of the tree is left.
 *
 * @throws {Error} when an entry is no TypeScript file: the manifest was packed already.
 */
export function packedManifest(manifest: Manifest): object {
  const kept = Object.entries(manifest).filter(([field]) => !notPacked.has(field))
  const entries = Object.entries(manifest.exports).map(([name, file]) => {
    const built = /^\.\/(.+)\.ts$/.exec(file)?.[1]
    if (built === undefined) throw new Error(`${name} is ${file}, which is no source`)
    return [name, { types: `./dist/${built}.d.ts`, default: `./dist/${built}.js` }]
  })
  return { ...Object.fromEntries(kept), exports: Object.fromEntries(entries) }
}
