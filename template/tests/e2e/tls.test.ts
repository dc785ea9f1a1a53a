import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { eventually } from '@kiln/shared/testing'
import { createTestDatabase } from '../../../tests/support/database.ts'
import { type RunningService, runProgram, startService } from '../../../tests/support/process.ts'
import { testEnvironment } from '../../../tests/support/service.ts'
import { createCertificates, type TestCertificate } from '../support/certificates.ts'

setDefaultTimeout(30_000)

const certificates = createCertificates()
afterAll(() => certificates.close())

const tlsSettings = ({ certFile, keyFile }: TestCertificate) => ({
  SERVICE_TLS_CERT_FILE: certFile,
  SERVICE_TLS_KEY_FILE: keyFile,
})

/** Whom the service says it is, to whoever connects now. */
function shownName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

describe('with a certificate and its key', () => {
  const password = 'correct horse battery'
  const used = certificates.make('first')
  let service: RunningService
  beforeAll(async () => {
    service = await startService(tlsSettings(used))
  })
  afterAll(() => service.close())

  const get = (path: string, options: RequestInit = {}) =>
    fetch(`https://127.0.0.1:${service.port}${path}`, { ...options, tls: { rejectUnauthorized: false } })

  test('it speaks TLS, and tells browsers to insist on it', async () => {
    const answer = await get('/live')

    expect(answer.status).toBe(200)
    expect(answer.headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains')
    await expect(fetch(`http://127.0.0.1:${service.port}/live`)).rejects.toThrow()
  })

  test('the health check finds it', async () => {
    expect(await service.command(['healthcheck'])).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('it knows the address of who is behind the TLS', async () => {
    const email = 'admin@example.com'
    const create = ['users', 'create', '--email', email, '--role', 'admin', '--password-stdin']
    await service.command(create, { input: password })
    const url = `https://127.0.0.1:${service.port}/api`
    const curl = (...args: string[]) => {
      const { stdout } = Bun.spawnSync(['curl', '-sk', '--interface', '127.0.0.2', ...args])
      return JSON.parse(stdout.toString())
    }
    const json = ['-H', 'content-type: application/json', '-d']

    const { access_token } = curl(`${url}/auth/login`, ...json, JSON.stringify({ email, password }))
    const token = ['-H', `authorization: Bearer ${access_token}`]
    const { id } = curl(`${url}/users`, ...token, ...json, '{"first_name":"Ann"}')

    expect(curl(`${url}/audit?entity=user&entity_id=${id}`, ...token)).toMatchObject({
      items: [{ action: 'user.created', address: '127.0.0.2' }],
    })
  })

  test('a large body and a large answer arrive whole', async () => {
    const body = JSON.stringify({ email: 'a@example.org', password: 'x'.repeat(900_000) })
    const headers = { 'content-type': 'application/json' }

    const refused = await get('/api/auth/login', { method: 'POST', headers, body })
    const page = await get('/docs/swagger-ui.js', { headers: { 'accept-encoding': 'identity' } })

    expect(refused.status).toBe(422)
    expect((await page.arrayBuffer()).byteLength).toBeGreaterThan(1_000_000)
  })

  test('a new certificate is taken up without a dropped connection', async () => {
    const failures: string[] = []
    let served = 0
    const state = { calling: true }
    const callOn = async (keepalive: boolean) => {
      while (state.calling) {
        const answer = await get('/live', { keepalive }).catch((error) => ({ status: String(error) }))
        if (answer.status === 200) served += 1
        else failures.push(String(answer.status))
      }
    }
    const clients = [true, true, false, false, false].map(callOn)
    const before = await shownName(service.port)

    for (const name of ['second', 'third', 'fourth']) {
      certificates.replace(used, certificates.make(name))
      await eventually(async () => expect(await shownName(service.port)).toBe(name))
    }
    state.calling = false
    await Promise.all(clients)

    expect(before).toBe('first')
    expect(failures).toEqual([])
    expect(served).toBeGreaterThan(50)
  })

  test('a new pair that does not fit is named in the log, and the old one stays', async () => {
    const shown = await shownName(service.port)

    writeFileSync(used.keyFile, 'no key at all')
    await eventually(() => expect(service.output.stdout).toContain('the new certificate cannot be used'))

    expect(await shownName(service.port)).toBe(shown)
  })

  test('it stops in order', async () => {
    service.signal('SIGTERM')

    expect((await service.ended).exitCode).toBe(0)
  })
})

test('without a usable certificate it does not start, and says why', async () => {
  const { certFile } = certificates.make('one')
  const { keyFile } = certificates.make('other')
  const database = await createTestDatabase()
  const env = testEnvironment({
    SERVICE_DATABASE_URL: database.url,
    SERVICE_REDIS_URL: 'memory://',
    SERVICE_SINGLE_REPLICA: 'true',
    SERVICE_PORT: '0',
    SERVICE_TLS_CERT_FILE: certFile,
  })

  const halfSet = await runProgram(['serve'], { env })
  const wrongPair = await runProgram(['serve', '--migrate'], {
    env: { ...env, SERVICE_TLS_KEY_FILE: keyFile },
  })
  await database.drop()

  expect(halfSet.exitCode).toBe(78)
  expect(halfSet.stderr).toContain('SERVICE_TLS_KEY_FILE  must be set together with SERVICE_TLS_CERT_FILE')
  expect(wrongPair.exitCode).toBe(1)
  expect(wrongPair.stdout).toContain('the key is not that of the certificate')
})
