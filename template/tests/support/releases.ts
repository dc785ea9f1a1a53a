import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyTemplate, edit, linkPackages, run } from './copies.ts'

const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.org', '-c', 'commit.gpgsign=false']

/** A module and its tests, which the template changes and the service, too. */
const example = ['src/modules/example/routes.ts', 'tests/src/modules/example.test.ts']

/** The given arguments of git in a folder; what it printed. */
export const gitIn = (cwd: string, ...args: string[]) => run('git', [...identity, ...args], { cwd })

export function commitAll(cwd: string, message: string): void {
  gitIn(cwd, 'add', '--all')
  gitIn(cwd, 'commit', '--quiet', '--message', message)
}

/** A repository of the template with the release of this tree, and the one after it. */
export function makeReleases(folder: string): void {
  copyTemplate(folder)
  for (const name of ['old', 'changed', 'removed']) write(folder, `docs/${name}.md`, `# ${name}\n`)
  gitIn(folder, 'init', '--quiet')
  commitAll(folder, 'first')
  for (const tag of ['v0.9.0', 'v1.0.0', 'v1.1.0-beta']) gitIn(folder, 'tag', tag)

  edit(join(folder, 'package.json'), '"version": "1.0.0",\n    "own"', '"version": "1.1.0",\n    "own"')
  for (const file of example) edit(join(folder, file), 'Admin access granted', 'Access granted')
  edit(join(folder, 'Dockerfile'), 'description="An event', 'description="A good event')
  addSharedMigration(folder)
  for (const name of ['old', 'changed']) rmSync(join(folder, `docs/${name}.md`))
  for (const file of ['docs/removed.md', 'README.md', 'bun.lock', 'template/tests/sbom.test.ts'])
    appendFileSync(join(folder, file), '\n')
  write(folder, 'docs/new.md', 'For example-service.\n')
  write(folder, 'template/new.md', 'of the template\n')
  write(folder, 'tests/security/new.md', 'of a folder that is not there\n')
  commitAll(folder, 'second')
  gitIn(folder, 'tag', 'v1.1.0')
}

/** A service as it was created from the first release, by the hook of `bun create`, which its people have worked on since. */
export function makeService(folder: string, template: string, name: string): void {
  gitIn(template, 'worktree', 'add', '--quiet', '--detach', folder, 'v1.0.0')
  rmSync(join(folder, '.git'))
  createAs(folder, name)

  for (const file of example) edit(join(folder, file), 'Hello from my service!', `Hello from ${name}!`)
  edit(
    join(folder, 'README.md'),
    '{ "message": "Hello from my service!" }',
    `{ "message": "Hello from ${name}!" }`,
  )
  addServiceMigration(folder)
  write(folder, 'docs/changed.md', '# changed here\n')
  for (const path of ['docs/removed.md', 'tests/security']) rmSync(join(folder, path), { recursive: true })
  commitAll(folder, 'worked')
  gitIn(folder, 'remote', 'add', 'kiln', template)
}

/** What `bun create` does before its hook, then the hook, with the packages that it would have installed. */
function createAs(folder: string, name: string): void {
  const { 'bun-create': _, ...manifest } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  write(folder, 'package.json', `${JSON.stringify({ ...manifest, name }, null, 2)}\n`)
  linkPackages(folder)
  gitIn(folder, 'init', '--quiet')
  commitAll(folder, 'Initial commit')
  for (const [key, value] of Object.entries({ 'user.name': 'Test', 'user.email': 'test@example.org' }))
    gitIn(folder, 'config', key, value)
  gitIn(folder, 'config', 'commit.gpgsign', 'false')
  const said = run(process.execPath, ['scripts/created.ts'], { cwd: folder })
  if (!said.includes('Committed: ')) throw new Error(said)
  rmSync(join(folder, 'node_modules'), { recursive: true })
}

function write(folder: string, file: string, text: string): void {
  mkdirSync(join(folder, file, '..'), { recursive: true })
  writeFileSync(join(folder, file), text)
}

const migration = (table: string) => `import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.createTable('${table}').addColumn('id', 'bigint').execute()
}
`
const down = (table: string) => `
export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropTable('${table}').execute()
}
`

function addSharedMigration(folder: string): void {
  const migrations = 'shared/postgres/migrations'
  const index = join(folder, migrations, 'index.ts')
  write(folder, `${migrations}/0006-notes.ts`, migration('notes'))
  edit(index, "keys.ts'\n", "keys.ts'\nimport * as notes from './0006-notes.ts'\n")
  edit(index, "keys': idempotencyKeys,\n", "keys': idempotencyKeys,\n  '0006-notes': notes,\n")
}

function addServiceMigration(folder: string): void {
  const migrations = 'src/infrastructure/database/migrations'
  const index = join(folder, migrations, 'index.ts')
  write(folder, `${migrations}/0005-orders.ts`, `${migration('orders')}${down('orders')}`)
  edit(index, "logins.ts'\n\n", "logins.ts'\nimport * as orders from './0005-orders.ts'\n\n")
  edit(index, "logins': endedLogins,\n", "logins': endedLogins,\n  '0005-orders': orders,\n")
}
