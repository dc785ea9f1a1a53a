import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { chownSync } from 'node:fs'
import { connect as connectSocket, createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import { runAs } from '@kiln/shared/context'
import { type KeptServer, startPostgres } from '@kiln/shared/embedded'
import { connectDatabase } from '@kiln/shared/postgres'
import { eventually } from '@kiln/shared/testing'
import { type Kysely, sql } from 'kysely'
import { createCertificates } from '../../support/certificates.ts'

setDefaultTimeout(60_000)

const sslRequest = 80_877_103

let postgres: KeptServer
let proxy: Server
const certificates = createCertificates()
/** What each connection began with. */
const beginnings: number[] = []
const opened: Kysely<never>[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  const { certFile, keyFile } = certificates.make('postgres')
  // Its own account reads them, where tests run as root.
  const nobody = 65_534
  if (process.getuid?.() === 0)
    for (const path of [dirname(certFile), certFile, keyFile]) chownSync(path, nobody, nobody)
  const db = connect(postgres.url)
  await sql`alter system set ssl_cert_file = ${sql.lit(certFile)}`.execute(db)
  await sql`alter system set ssl_key_file = ${sql.lit(keyFile)}`.execute(db)
  await sql`alter system set ssl = on`.execute(db)
  await sql`select pg_reload_conf()`.execute(db)
  await eventually(async () => expect((await sql`show ssl`.execute(db)).rows).toEqual([{ ssl: 'on' }]))
  const { hostname, port } = new URL(postgres.url)
  proxy = createServer((client) => {
    client.once('data', (data) => {
      const bytes = data as Buffer
      beginnings.push(bytes.readInt32BE(4))
      const server = connectSocket(Number(port), hostname, () => server.write(bytes))
      server.on('error', () => client.destroy())
      client.pipe(server).pipe(client)
    })
    client.on('error', () => {})
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  await Promise.all(opened.map((db) => db.destroy()))
  proxy.close()
  certificates.close()
  await postgres.stop()
})

function connect(url: string): Kysely<never> {
  const limits = { poolMax: 1, connectTimeoutMs: 5000, statementTimeoutMs: 50_000 }
  const db = connectDatabase<never>({ url, applicationName: 'cancelling', prepared: true, ...limits })
  opened.push(db)
  return db
}

test('a statement on a connection that speaks TLS is cancelled over TLS', async () => {
  const url = new URL(postgres.url)
  url.port = String((proxy.address() as { port: number }).port)
  url.searchParams.set('sslmode', 'no-verify')
  const db = connect(url.href)
  const observer = connect(postgres.url)
  const secure = await sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(db)

  const deadlineMs = performance.now() + 300
  const failure = await runAs({ correlationId: undefined, trace: undefined, deadlineMs }, () =>
    sql`select pg_sleep(40)`.execute(db),
  ).catch((error: unknown) => error)

  expect(secure.rows).toEqual([{ ssl: true }])
  expect(failure).toMatchObject({ code: 'REQUEST_TIMEOUT' })
  const { rows } = await sql`select from pg_stat_activity where query like '%pg_sleep%' and state = 'active'
    and pid <> pg_backend_pid()`.execute(observer)
  expect(rows).toEqual([])
  expect(beginnings).toEqual([sslRequest, sslRequest])
})
