import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { sourceFiles } from './source-files.ts'

/** The folders in the order they may be imported: a file imports from its own layer or from one before it. */
const layers: readonly { readonly name: string; readonly holds: RegExp }[] = [
  { name: 'shared', holds: /^shared\// },
  { name: 'contracts', holds: /^src\/contracts\// },
  { name: 'config, errors', holds: /^src\/(config|errors)\.ts$/ },
  { name: 'infrastructure', holds: /^src\/(infrastructure\/|runtime\.ts$)/ },
  { name: 'modules', holds: /^src\/modules\// },
  { name: 'app, consumers', holds: /^src\/(app|consumers|edge)\.ts$/ },
  { name: 'cli, main', holds: /^src\/(commands\/|cli\.ts$|main\.ts$)/ },
]

/** What a developer runs, and no service: it would be in the binary. */
const tools = /^shared\/development\//

/** The one file that may name a runtime. */
const runtimeFile = 'src/runtime.ts'

/**
 * Everything in `src` and `shared` that breaks the structure: imports against the order of the layers, between modules
 * or, of more than types, in a circle, and files that name a runtime.
 */
export function findStructureProblems(root: string): string[] {
  const files = sourceFiles(root, ['src', 'shared'])
  const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
  const tree = { files: texts, sharedExports: sharedExportsOf(root) }
  const imports = new Map([...texts].map(([file, text]) => [file, importsOf(file, text, tree)]))

  return [
    ...files.filter((file) => layerOf(file) === -1).map((file) => `${file} belongs to no layer`),
    ...[...imports].flatMap(([file, targets]) => targets.flatMap((target) => problemOfImport(file, target))),
    ...[...texts].flatMap(([file, text]) => problemsOfRuntime(file, text)),
    ...findCircles(
      new Map([...texts].map(([file, text]) => [file, importsOf(file, withoutTypeImports(text), tree)])),
    ),
  ]
}

function layerOf(file: string): number {
  return layers.findIndex(({ holds }) => holds.test(file))
}

function problemOfImport(file: string, target: string): string[] {
  const [from, to] = [layerOf(file), layerOf(target)]
  if (to > from) return [`${file} imports ${target}: ${layers[from]?.name} comes before ${layers[to]?.name}`]
  if (tools.test(target) && !tools.test(file)) return [`${file} imports ${target}: that is for development`]
  const [module, other] = [moduleOf(file), moduleOf(target)]
  if (module && other && module !== other) return [`${file} imports ${target}: modules talk through events`]
  return []
}

function moduleOf(file: string): string | undefined {
  return /^src\/modules\/([^/]+)\//.exec(file)?.[1]
}

function problemsOfRuntime(file: string, text: string): string[] {
  if (file === runtimeFile) return []
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
  return /\b(Bun|Deno)\s*\.|from 'bun(:[^']*)?'/.test(code)
    ? [`${file} names a runtime: that is for ${runtimeFile}`]
    : []
}

interface Tree {
  readonly files: ReadonlyMap<string, string>
  /** Of the workspace `shared`; none where the package is installed in its place. */
  readonly sharedExports: Readonly<Record<string, string>>
}

function sharedExportsOf(root: string): Tree['sharedExports'] {
  const manifest = join(root, 'shared/package.json')
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).exports : {}
}

/** The files of the tree that a file imports, types included. */
function importsOf(file: string, text: string, { files, sharedExports }: Tree): string[] {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
  return specifiers.flatMap((specifier) => {
    const target = resolve(file, specifier, sharedExports)
    return files.has(target) ? [target] : []
  })
}

/** A circle of types alone is none when the program runs. */
function withoutTypeImports(text: string): string {
  return text.replace(/^(import|export) type [^']*'[^']+'/gm, '')
}

function resolve(file: string, specifier: string, exports: Tree['sharedExports']): string {
  if (specifier.startsWith('.')) return normalize(join(dirname(file), specifier))
  const entry = /^@kiln\/shared(?:\/(.+))?$/.exec(specifier)
  if (!entry) return specifier
  const subpath = entry[1] === undefined ? '.' : `./${entry[1]}`
  const contract = /^\.\/contracts\/(.+)$/.exec(subpath)?.[1]
  const path = contract ? exports['./contracts/*']?.replace('*', contract) : exports[subpath]
  return normalize(join('shared', path ?? subpath))
}

function findCircles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file)
    if (start !== -1) circles.push(`imports in a circle: ${[...path.slice(start), file].join(' → ')}`)
    if (start !== -1 || done.has(file)) return
    for (const target of imports.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of imports.keys()) visit(file, [])
  return circles
}
