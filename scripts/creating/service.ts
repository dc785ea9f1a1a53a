import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** As long as names of Kubernetes leave room for what is put behind it. */
const longest = 40

interface Manifest {
  name: string
  scripts: Record<string, string>
  readonly kiln: { readonly own: readonly string[] }
}

/**
 * Gives a fresh copy of the template its name, secrets and page of its own, and takes out what is the template's.
 *
 * @returns the service's name; `renamed` where the folder's was none for a service.
 */
export function makeService(root: string): { readonly name: string; readonly renamed: boolean } {
  const file = join(root, 'package.json')
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const given = manifest.name
  const name = serviceName(given)

  for (const own of manifest.kiln.own) rmSync(join(root, own), { recursive: true, force: true })
  manifest.name = name
  for (const [script, command] of Object.entries(manifest.scripts))
    if (command.includes('template/')) delete manifest.scripts[script]
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`)
  writeFileSync(join(root, 'README.md'), pageOf(readme))
  for (const path of textFiles(root)) rename(join(root, path), name)
  writeEnvironment(root)
  return { name, renamed: name !== given }
}

/** Lower-case letters, digits and dashes, a letter first. */
export function serviceName(folder: string): string {
  const cleaned = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
  const named = /^[a-z]/.test(cleaned) ? cleaned : `service-${cleaned}`
  return named.slice(0, longest).replace(/-+$/, '')
}

/** The template's README without what it says of the template. */
function pageOf(readme: string): string {
  const begin = readme.indexOf('## Run it')
  if (begin < 0) throw new Error('README.md has no section "Run it"')
  return `# example-service\n\nAn event-driven HTTP service, made from the template Kiln.\n\n${readme.slice(begin)}`
}

function textFiles(root: string): string[] {
  const skipped = new Set(['.git', 'node_modules', 'dist', '.data'])
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name)) return []
    if (!entry.isDirectory()) return entry.isFile() ? [entry.name] : []
    return textFiles(join(root, entry.name)).map((path) => join(entry.name, path))
  })
}

function rename(file: string, name: string): void {
  const text = readFileSync(file, 'utf8')
  if (text.includes('example-service')) writeFileSync(file, text.replaceAll('example-service', name))
}

/** What a copy brought along from the template's own folder is replaced: its secrets are somebody else's. */
function writeEnvironment(root: string): void {
  const secret = randomBytes(48).toString('base64url')
  const example = readFileSync(join(root, '.env.example'), 'utf8')
  const line = /^(# )?SERVICE_JWT_SECRET_KEY=$/m
  if (!line.test(example)) throw new Error('.env.example has no line for the secret key')
  const text = example
    .replace(/^[^\n]*\n[^\n]*\n[^\n]*\n/, '# Read by `bun run dev`, ignored by git: it has secrets.\n')
    .replace(line, `SERVICE_JWT_SECRET_KEY=${secret}`)
  const file = join(root, '.env')
  rmSync(file, { force: true })
  writeFileSync(file, text, { mode: 0o600 })
}
