import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { runProgram, spawnProgram } from '../../../tests/support/process.ts'

const versions = '/usr/lib/postgresql'

/** The programs of the newest PostgreSQL of Debian's packages, clients among them; undefined without one. */
export const postgresPrograms: string | undefined = (existsSync(versions) ? readdirSync(versions) : [])
  .sort((one, other) => Number(other) - Number(one))
  .map((version) => join(versions, version, 'bin'))
  .find((folder) =>
    ['initdb', 'pg_dump', 'pg_restore', 'psql'].every((name) => existsSync(join(folder, name))),
  )

/** Its server on 127.0.0.1, with clients of the same version: the embedded one has none. */
export async function startDebianPostgres(programs: string) {
  const folder = mkdtempSync(join(tmpdir(), 'debian-postgres-'))
  const data = join(folder, 'data')
  // It refuses to run as root.
  const account: string[] = []
  if (process.getuid?.() === 0) {
    account.push('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups')
    chownSync(folder, 65_534, 65_534)
  }
  const program = (name: string) => ({ program: [...account, join(programs, name)], cwd: folder })

  const cluster = ['-D', data, '-U', 'tester', '--auth=trust', '--no-sync', '--locale=C', '--encoding=UTF8']
  const made = await runProgram(cluster, program('initdb'))
  if (made.exitCode !== 0) throw new Error(made.stderr)
  const port = await freePort()
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`]
  const args = [...settings, 'fsync=off'].flatMap((setting) => ['-c', setting])
  const { child, output, ended } = spawnProgram(['-D', data, ...args], program('postgres'))
  await eventually(
    () => {
      if (!output.stderr.includes('ready to accept connections')) throw new Error(output.stderr)
    },
    { timeoutMs: 30_000 },
  )
  return {
    url: `postgres://tester@127.0.0.1:${port}/postgres`,
    async close(): Promise<void> {
      child.kill('SIGQUIT')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
