import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecretToken } from './secret-token.ts'

/** Where the servers are, without passwords. */
export interface SecretAddresses {
  readonly databaseUrl?: URL
  readonly redisUrl?: URL
}

export interface FilledSecret {
  /** The file's name in the folder. */
  readonly name: string
  /** False where the file was there before. */
  readonly made: boolean
}

/** Whoever runs the command, and the group that the servers of a deployment share with it. */
const FILE_MODE = 0o440
const FOLDER_MODE = 0o750

/**
 * Fills a folder with what a deployment must keep to itself: `jwt-secret-key`, `database-password` and `redis-password`,
 * 256 random bits each, and for the addresses given `database-url` and `redis-url`, which hold the password beside them.
 *
 * A file that exists is never changed, so this may run before every start, and twice at the same time. Each file appears
 * whole, or not at all. Owner and group can read it.
 *
 * @returns every file, in the order of writing.
 * @throws {Error} when a password file that an address needs is empty; errors of the file system.
 */
export async function fillSecrets(folder: string, addresses: SecretAddresses): Promise<FilledSecret[]> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
  const secrets: FilledSecret[] = []
  const keep = async (name: string, text: string) => {
    secrets.push({ name, made: await createFile(folder, name, text) })
  }

  for (const name of ['jwt-secret-key', 'database-password', 'redis-password'])
    await keep(name, createSecretToken().token)
  for (const [server, address] of [
    ['database', addresses.databaseUrl],
    ['redis', addresses.redisUrl],
  ] as const) {
    if (address === undefined) continue
    const url = new URL(address)
    url.password = encodeURIComponent(await readPassword(join(folder, `${server}-password`)))
    await keep(`${server}-url`, url.href)
  }
  return secrets
}

/** @returns false when the file is there already: a link, unlike a rename, never replaces one. */
async function createFile(folder: string, name: string, text: string): Promise<boolean> {
  const unfinished = join(folder, `.${name}.${randomUUID()}`)
  try {
    const file = await open(unfinished, 'wx', FILE_MODE)
    try {
      await file.writeFile(text)
      // Not left to the umask.
      await file.chmod(FILE_MODE)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(unfinished, join(folder, name))
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    await rm(unfinished, { force: true })
  }
}

async function readPassword(file: string): Promise<string> {
  const password = (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
  if (password === '') throw new Error(`${file} is empty`)
  return password
}
