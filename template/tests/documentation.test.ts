import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const pages = [
  'README.md',
  'SECURITY.md',
  'AGENTS.md',
  'shared/README.md',
  'deploy/RUNBOOK.md',
  ...['docs', 'template'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
]
const read = (page: string) => readFileSync(join(root, page), 'utf8')

/** A page may show code less deep in than it is. */
const flat = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .join('\n')

/** The names that code imports and nobody exports. @throws {BuildMessage} where the code is none. */
async function missingImports(code: string): Promise<string[]> {
  new Bun.Transpiler({ loader: 'ts' }).transformSync(code)
  const missing: string[] = []
  for (const [, names = '', from = ''] of code.matchAll(/import \{ ([^}]+) \} from '(@[^']+)'/g)) {
    const known = await import(from)
    for (const name of names.split(', ').filter((one) => !one.startsWith('type ')))
      if (!(name in known)) missing.push(`${name} of ${from}`)
  }
  return missing
}

/** Made by whoever installs `shared` as a package; of another service, in another language. */
const elsewhere = (path: string) => /^(src\/contracts|.*\.py)$/.test(path)

/** As GitHub makes them of headings. */
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )

describe.each(pages)('%s', (page) => {
  const text = read(page)

  test('links to pages, files and headings that are there', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => link)

    const broken = links.filter((link) => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(root, target))) return true
      return anchor !== undefined && !anchorsOf(read(target)).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  test('names files and folders that are there', () => {
    const named = [...text.matchAll(/`((?:src|shared|tests|scripts|deploy|docs|template)\/[\w./-]+)`/g)]

    const missing = named
      .map(([, path = '']) => path)
      .filter((path) => !elsewhere(path) && !existsSync(join(root, path)))
    expect(missing).toEqual([])
  })

  test('shows code that is there, or that can be: its syntax and what it imports', async () => {
    const blocks = [...text.matchAll(/^ *```ts ?(\S*)\n([\s\S]*?)```/gm)]

    const strange: string[] = []
    for (const [, file = '', code = ''] of blocks) {
      if (file === '') strange.push(...(await missingImports(code)))
      else if (!flat(read(file)).includes(flat(code))) strange.push(`${file}: ${code}`)
    }
    expect(strange).toEqual([])
  })

  test('names scripts of package.json', () => {
    const scripts = ['package.json', 'template/package.json'].flatMap((file) =>
      Object.keys(JSON.parse(read(file)).scripts),
    )
    const named = [...text.matchAll(/\bbun run ([a-z][\w:-]*)/g)].map(([, name = '']) => name)

    expect(named.filter((name) => !scripts.includes(name))).toEqual([])
  })
})

test('the index names every page of docs', () => {
  const index = read('docs/README.md')

  const others = readdirSync(join(root, 'docs')).filter(
    (name) => !['README.md', 'SECURITY-TESTS.md'].includes(name),
  )
  expect(others.filter((name) => !index.includes(`(${name})`))).toEqual([])
})
