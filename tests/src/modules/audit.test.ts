import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { sql } from 'kysely'
import type { AuditList } from '../../../src/modules/audit/schemas.ts'
import type { User } from '../../../src/modules/users/schemas.ts'
import { createTestService, type TestService, testPassword } from '../../support/service.ts'

let service: TestService
let admin: { user: User; token: string }
beforeAll(async () => {
  service = await createTestService()
  admin = await service.signIn('admin')
})
afterAll(() => service.close())

const audit = async (query: string) =>
  (await service.call<AuditList>('GET', `/api/audit?${query}`, { token: admin.token })).body
const auditOf = async (id: number) => (await audit(`entity=user&entity_id=${id}&limit=100`)).items
const create = async () =>
  (await service.call<User>('POST', '/api/users', { token: admin.token, body: { first_name: 'Ada' } })).body

describe('the audit trail', () => {
  test('has one row for each change, newest first, with what changed', async () => {
    const user = await create()
    await service.call('PATCH', `/api/users/${user.id}`, { token: admin.token, body: { first_name: 'Eve' } })
    for (const _ of [1, 2]) await service.call('POST', `/api/users/${user.id}/verify`, { token: admin.token })
    for (const _ of [1, 2]) await service.call('DELETE', `/api/users/${user.id}`, { token: admin.token })

    const items = await auditOf(user.id)

    expect(items.map(({ action }) => action)).toEqual([
      'user.deactivated',
      'user.verified',
      'user.updated',
      'user.created',
    ])
    expect(items[2]).toMatchObject({
      actor_type: 'user',
      actor_id: admin.user.id,
      before: { first_name: 'Ada' },
      after: { first_name: 'Eve' },
    })
    expect(items[3]).toMatchObject({
      before: null,
      after: { id: user.id, first_name: 'Ada', role: 'applicant' },
    })
  })

  test('says by which request, trace and address', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const headers = { 'x-correlation-id': 'audited-1', traceparent: `00-${traceId}-00f067aa0ba902b7-01` }

    const { body } = await service.call<User>('POST', '/api/users', {
      token: admin.token,
      headers,
      body: { first_name: 'Ada' },
    })

    expect(await auditOf(body.id)).toMatchObject([
      { correlation_id: 'audited-1', trace_id: traceId, address: '192.0.2.1' },
    ])
  })

  test.each([
    ['of zeros', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
    ['in capitals', `00-${'4BF92F3577B34DA6A3CE929D0E0E4736'}-00f067aa0ba902b7-01`],
    ['that is none', "'; drop table audit_log;--"],
  ])('says the trace that it began where one came in %s', async (_, traceparent) => {
    const { body } = await service.call<User>('POST', '/api/users', {
      token: admin.token,
      headers: { traceparent },
      body: { first_name: 'Ada' },
    })

    const [row] = await auditOf(body.id)
    expect(row?.trace_id).toMatch(/^(?!0{32})[\da-f]{32}$/)
    expect(traceparent.toLowerCase()).not.toContain(String(row?.trace_id))
  })

  test('shows logins, and what refused requests tried is not in it', async () => {
    const { user } = await service.signUp('applicant', 'watched@example.org')
    await service.logIn('watched@example.org')
    await service.call('PATCH', `/api/users/${user.id}`, { token: admin.token, body: { role: 'nonsense' } })

    const items = await auditOf(user.id)

    expect(items.map(({ action }) => action)).toEqual(['auth.logged_in', 'user.created'])
    expect(JSON.stringify(items)).not.toMatch(new RegExp(`${testPassword}|scrypt|password`))
  })

  test('is searched by actor', async () => {
    const other = await service.signIn('admin')
    const user = await create()
    await service.call('POST', `/api/users/${user.id}/verify`, { token: other.token })

    const { items } = await audit(`actor_id=${other.user.id}`)

    expect(items).toMatchObject([
      { action: 'user.verified', actor_id: other.user.id, entity_id: String(user.id) },
    ])
  })

  test('is searched by time, from inclusive to exclusive', async () => {
    const user = await create()
    const at = (await auditOf(user.id))[0]?.occurred_at ?? ''
    const later = new Date(Date.parse(at) + 1).toISOString()
    const found = async (query: string) =>
      (await audit(`entity=user&entity_id=${user.id}&${query}`)).items.length

    expect(await found(`from=${at}&to=${later}`)).toBe(1)
    expect(await found(`to=${at}`)).toBe(0)
    expect(await found(`from=${later}`)).toBe(0)
  })

  test('is read page by page, each row once, also where rows share a millisecond', async () => {
    const { id } = await create()
    await sql`insert into audit_log (actor_type, action, entity, entity_id, occurred_at)
      select 'system', 'test.' || n, 'page', '1', now() from generate_series(1, 7) n`.execute(service.db)

    const found: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: AuditList = await audit(`entity=page&limit=3${cursor && `&cursor=${cursor}`}`)
      found.push(...page.items.map(({ action }) => action))
      cursor = page.next_cursor
      await service.call('POST', `/api/users/${id}/verify`, { token: admin.token })
    }

    expect(found).toEqual([7, 6, 5, 4, 3, 2, 1].map((number) => `test.${number}`))
  })

  test.each(['applicant', 'executor', 'manager'] as const)('is closed to the role %s', async (role) => {
    const { token } = await service.signIn(role)

    const { status } = await service.call('GET', '/api/audit', { token })

    expect(status).toBe(403)
  })

  test.each([
    ['update', sql`update audit_log set action = 'forged'`],
    ['delete', sql`delete from audit_log`],
    ['truncate', sql`truncate audit_log`],
    ['delete of nothing', sql`delete from audit_log where id = 0`],
    [
      'update by way of an insert',
      sql`insert into audit_log overriding system value
      select * from audit_log limit 1 on conflict (id) do update set action = 'forged'`,
    ],
  ])('refuses every %s', async (_, statement) => {
    await create()

    await expect(statement.execute(service.db)).rejects.toThrow('append-only')
  })
})

describe('a change and its audit row are kept together or not at all', () => {
  let broken: TestService
  beforeAll(async () => {
    broken = await createTestService()
  })
  afterAll(() => broken.close())

  test('where the row cannot be written, nothing was changed', async () => {
    const { token } = await broken.signIn('admin')
    const { user } = await broken.signUp('applicant', 'kept@example.org')
    const { refresh_token } = await broken.logIn('kept@example.org')
    await sql`alter table audit_log rename to audit_log_away`.execute(broken.db)
    const { rows: before } = await sql`select * from users order by id`.execute(broken.db)

    const statuses = await Promise.all([
      broken.call('POST', '/api/users', { token, body: { first_name: 'Ada' } }),
      broken.call('PATCH', `/api/users/${user.id}`, { token, body: { first_name: 'Eve' } }),
      broken.call('POST', `/api/users/${user.id}/verify`, { token }),
      broken.call('DELETE', `/api/users/${user.id}`, { token }),
      broken.call('POST', `/api/users/${user.id}/password-token`, { token }),
      broken.call('POST', '/api/auth/logout', { body: { refresh_token } }),
      broken.call('POST', '/api/auth/login', { body: { email: 'kept@example.org', password: testPassword } }),
    ])

    expect(statuses.map(({ status }) => status)).toEqual(Array(7).fill(500))
    expect((await sql`select * from users order by id`.execute(broken.db)).rows).toEqual(before)
    const tokens = await broken.db.selectFrom('refresh_tokens').selectAll().execute()
    expect(tokens).toMatchObject([{ revoked_at: null, rotated_at: null }])
    expect(await broken.db.selectFrom('password_tokens').selectAll().execute()).toEqual([])
    expect(broken.reported).toHaveLength(7)
  })

  test('where the change fails at its commit, nothing was recorded', async () => {
    const { token } = await service.signIn('admin')
    const { user } = await service.signIn('applicant')
    const recorded = async () => (await service.db.selectFrom('audit_log').select('id').execute()).length
    const before = await recorded()
    await sql`create function refuse_user() returns trigger language plpgsql as
      $$ begin raise exception 'refused at the commit'; end $$`.execute(service.db)
    await sql`create constraint trigger refuse_user after insert or update on users
      deferrable initially deferred for each row execute function refuse_user()`.execute(service.db)

    const statuses = [
      (await service.call('POST', '/api/users', { token, body: { first_name: 'Ada' } })).status,
      (await service.call('PATCH', `/api/users/${user.id}`, { token, body: { first_name: 'Eve' } })).status,
      (await service.call('DELETE', `/api/users/${user.id}`, { token })).status,
    ]
    await sql`drop trigger refuse_user on users`.execute(service.db)

    expect(statuses).toEqual([500, 500, 500])
    expect(await recorded()).toBe(before)
  })
})
