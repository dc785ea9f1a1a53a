import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { after, before, test as nodeTest } from 'node:test'
import { logInAdmin, type RunningService, runtime, startService } from '../../../tests/support/process.ts'
import { differences } from './http/differences.ts'
import { httpSuite } from './http/suite.ts'
import { listedOrigin } from './http/web.ts'

const started: { service?: RunningService; token: string } = { token: '' }
before(async () => {
  const service = await startService({
    SERVICE_BODY_TIMEOUT_MS: '1000',
    SERVICE_MAX_BODY_BYTES: '4096',
    SERVICE_CORS_ORIGINS: listedOrigin,
  })
  started.service = service
  started.token = await logInAdmin(service)
})
after(() => started.service?.close())

httpSuite({
  test: (name, run) => nodeTest(name, { timeout: 20_000 }, run),
  runtime,
  ground: () => ({ port: started.service?.port ?? 0, token: started.token }),
  differences,
})

nodeTest('docs/RUNTIMES.md lists every difference, and no other', () => {
  const text = readFileSync(resolve(import.meta.dirname, '../../../docs/RUNTIMES.md'), 'utf8')

  const rows = text.split('\n').filter((line) => line.includes(' | as said | '))

  const known = Object.entries(differences)
  assert.ok(known.every(([, { runtimes }]) => runtimes.join() === 'deno'))
  assert.deepEqual(
    rows,
    known.map(([sentence, { instead }]) => `| ${sentence} | as said | ${instead} |`),
  )
})
