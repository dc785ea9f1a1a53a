import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { keepInGit } from './creating/git.ts'
import { makeService } from './creating/service.ts'

/** What `bun create` runs in a new copy, once: makes a service of it, and deletes itself. */
const root = resolve(import.meta.dirname, '..')
const say = (text: string) => process.stdout.write(`${text}\n`)

const { name, renamed } = makeService(root)
if (renamed)
  say(`The service is called ${name}: hosts, images and streams have no other letters in their names.`)
// A longer or shorter name breaks lines elsewhere; without its packages a copy is formatted by its next `bun run format`.
spawnSync(process.execPath, ['x', '--no-install', 'biome', 'check', '--write', '.'], { cwd: root })
say(keepInGit(root))
say(`Next, in ${root}:
  npx bun run dev     the service with a database of its own, on http://localhost:8000/docs
  npx bun run test    its tests, on a real PostgreSQL and Redis
  docs/               how to add a module or an event, and to deploy`)
