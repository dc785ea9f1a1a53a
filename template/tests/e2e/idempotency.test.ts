import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logInAdmin, type RunningService, startService } from '../../../tests/support/process.ts'
import { type Patch, programPatched } from '../support/patched-build.ts'

setDefaultTimeout(120_000)

/** The line that README shows, on the route that makes users. */
const idempotentUsers: readonly Patch[] = [
  {
    file: 'src/modules/users/routes.ts',
    replace: /import \{ type Auth, bearerAuth \} from '@kiln\/shared\/http'\n/,
    by: `import { type Auth, bearerAuth, createIdempotency } from '@kiln/shared/http'
import { postgresIdempotencyKeys } from '@kiln/shared/postgres'\n`,
  },
  {
    file: 'src/modules/users/routes.ts',
    replace: /auth\.requireRole\('manager', 'admin'\)(?=,\n +body: CreateUser)/,
    by: `[auth.requireRole('manager', 'admin'), createIdempotency({ store: postgresIdempotencyKeys(db) })()]`,
  },
]

describe('a route that takes Idempotency-Key', () => {
  const folder = mkdtempSync(join(tmpdir(), 'idempotency-'))
  let service: RunningService
  let token: string
  beforeAll(async () => {
    service = await startService({}, ['serve', '--migrate'], {
      program: await programPatched(join(folder, 'copy'), idempotentUsers),
    })
    token = await logInAdmin(service)
  })
  afterAll(async () => {
    await service.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const create = (key: string, first_name: string) =>
    fetch(`${service.url}/api/users`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        'idempotency-key': key,
      },
      body: JSON.stringify({ first_name }),
    })

  test('gives a repeat the first answer, and another body none', async () => {
    const first = await create('k1', 'Ann')
    const repeat = await create('k1', 'Ann')
    const other = await create('k1', 'Ben')

    expect(first.status).toBe(201)
    expect(repeat.status).toBe(201)
    expect(await repeat.json()).toEqual(await first.json())
    expect(repeat.headers.get('location')).toBe(first.headers.get('location'))
    expect(repeat.headers.get('idempotent-replayed')).toBe('true')
    expect(other.status).toBe(422)
  })

  test('serves one of those that come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => create('k2', 'Cid')))

    const statuses = answers.map(({ status }) => status)
    const served = answers.filter(
      ({ status, headers }) => status === 201 && !headers.has('idempotent-replayed'),
    )
    expect(served).toHaveLength(1)
    expect(statuses.filter((status) => status !== 201 && status !== 409)).toEqual([])
  })
})
