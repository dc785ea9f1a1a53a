import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createTestService, type TestService } from '../support/service.ts'

let service: TestService
let token: string
beforeAll(async () => {
  service = await createTestService()
  token = (await service.signIn('admin')).token
})
afterAll(() => service.close())

const statements = [
  "x' or '1'='1",
  "x'); drop table users; --",
  'x"; select pg_sleep(9); --',
  "\\'; delete from audit_log; --",
]

const countUsers = async () =>
  Number(
    (
      await service.db
        .selectFrom('users')
        .select(service.db.fn.countAll().as('count'))
        .executeTakeFirstOrThrow()
    ).count,
  )

describe('SQL', () => {
  test.each(statements)('in a text is kept as it is: %s', async (last_name) => {
    const { status, body } = await service.call('POST', '/api/users', {
      token,
      body: { first_name: 'Ada', last_name },
    })

    expect(status).toBe(201)
    expect(body).toMatchObject({ last_name })
  })

  test.each(
    [
      '/api/users?cursor=',
      '/api/users?limit=',
      '/api/users?role=',
      '/api/users/',
      '/api/audit?actor_id=',
      '/api/audit?from=',
      '/api/audit?cursor=',
    ].flatMap((target) => statements.map((statement) => [target, statement] as const)),
  )('in %s is refused: %s', async (target, statement) => {
    const before = await countUsers()

    const { status, body } = await service.call('GET', target + encodeURIComponent(statement), { token })

    expect(status).toBe(422)
    expect(JSON.stringify({ ...body, instance: '' })).not.toContain(statement)
    expect(await countUsers()).toBe(before)
  })

  test.each(['entity', 'entity_id'])('in the %s of the audit trail finds nothing', async (field) => {
    const { status, body } = await service.call(
      'GET',
      `/api/audit?${field}=${encodeURIComponent("x' or '1'='1")}`,
      {
        token,
      },
    )

    expect(status).toBe(200)
    expect(body).toMatchObject({ items: [] })
  })
})

describe('headers', () => {
  test.each(['a b', 'a"b', '<script>', 'é', 'a'.repeat(500), '../..'])(
    'a correlation id %s comes back in no answer',
    async (id) => {
      const { headers, body } = await service.call('GET', '/api/users/0', {
        headers: { 'x-correlation-id': id },
      })

      expect(headers.get('x-correlation-id')).not.toBe(id)
      expect(body).toMatchObject({ correlation_id: headers.get('x-correlation-id') })
    },
  )

  test.each(['%0d%0aset-cookie:%20a=b', '%0aX: 1', '%E5%98%8A%E5%98%8D'])(
    '%s in a path adds none',
    async (text) => {
      const { status, headers } = await service.call('GET', `/api/users/${text}`, { token })

      expect(status).toBe(422)
      expect([...headers.keys()].filter((name) => ['set-cookie', 'x'].includes(name))).toEqual([])
    },
  )
})

describe('a path', () => {
  test.each([
    '/docs/..%2f..%2fpackage.json',
    '/docs/%2e%2e%2f.env',
    '/docs/swagger-ui.js%00.txt',
    '/..%2f..%2fetc%2fpasswd',
    '/docs/....//package.json',
  ])('%s leads to no file', async (path) => {
    const { status } = await service.call('GET', path, { token })

    expect(status).toBe(404)
  })
})
