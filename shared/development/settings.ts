import { createHash, randomInt } from 'node:crypto'
import { readFile, realpath, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { isRoot, privateFolder, sharedTemporary } from './embedded/folders.ts'

export interface Settings {
  /** `name` of package.json. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Where the service answers. */
  readonly url: string
  /** `.env` of the project under the real environment, which wins. */
  readonly env: Readonly<Record<string, string>>
  /** Whether the variable is given, itself or as a file. */
  has(variable: string): boolean
}

type Environment = Readonly<Record<string, string | undefined>>

export async function readSettings(project: string, environment: Environment): Promise<Settings> {
  const file = await readFile(join(project, '.env'), 'utf8').catch(() => '')
  const { name } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as { name: string }
  const env = withoutUndefined({ ...parseEnv(file), ...environment })
  const port = Number(env.SERVICE_PORT || 8000)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`SERVICE_PORT must be a number from 1 to 65535, not ${env.SERVICE_PORT}`)
  }
  return {
    name,
    host: env.SERVICE_HOST || '0.0.0.0',
    port,
    url: `http://${['', '0.0.0.0', '::', '127.0.0.1'].includes(env.SERVICE_HOST ?? '') ? 'localhost' : env.SERVICE_HOST}:${port}`,
    env,
    has: (variable) => Boolean(env[variable] || env[`${variable}_FILE`]),
  }
}

/** @throws {Error} with a sentence for the developer. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'is already in use' : `cannot be used (${cause.code})`
      const another = `SERVICE_PORT=${port + 1 > 65_535 ? 8000 : port + 1} bun run dev`
      reject(new Error(`Port ${port} ${why}. Choose another one: ${another}`, { cause }))
    })
    probe.listen({ host, port }, () => probe.close(() => resolve()))
  })
}

/**
 * Where data and secrets are kept between runs: `.data` in the project. For root a folder under /var/tmp, one per
 * project, since the account that PostgreSQL runs under then may not be allowed into the project.
 */
export async function dataFolder(project: string, name: string): Promise<string> {
  const path = await realpath(project)
  const key = createHash('sha256').update(path).digest('hex').slice(0, 12)
  const folder = isRoot
    ? join(sharedTemporary, `${name.replace(/[^\w.-]+/g, '-')}-${key}`)
    : join(path, '.data')
  await privateFolder(folder)
  return folder
}

/** The secret kept in the file; made on first use, of letters and digits that are not mistaken for each other. */
export async function secret(file: string, length: number): Promise<string> {
  const kept = await readFile(file, 'utf8').catch(() => '')
  if (kept) return kept
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789'
  const made = Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
  const readable = made.replace(/(.{5})(?=.)/g, '$1-')
  await writeFile(file, readable, { mode: 0o600 })
  return readable
}

function withoutUndefined(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  )
}
