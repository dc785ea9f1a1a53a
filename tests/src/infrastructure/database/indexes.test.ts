import { afterAll, beforeAll, expect, test } from 'bun:test'
import { connectDatabase } from '@kiln/shared/postgres'
import type { CompiledQuery } from 'kysely'
import { Client } from 'pg'
import type { Schema } from '../../../../src/infrastructure/database/schema.ts'
import type { User } from '../../../../src/modules/users/schemas.ts'
import { createTestService, type TestService, testPassword } from '../../../support/service.ts'

const issued = new Map<string, CompiledQuery>()

let service: TestService
beforeAll(async () => {
  service = await createTestService(
    {},
    {
      connect: ({ databaseUrl }) =>
        connectDatabase<Schema>({
          url: databaseUrl,
          applicationName: 'indexes',
          poolMax: 5,
          connectTimeoutMs: 2000,
          statementTimeoutMs: 5000,
          prepared: true,
          log: ({ query }) => issued.set(query.sql, query),
        }),
    },
  )
  issued.clear()
})
afterAll(() => service.close())

test('every statement that a request causes finds its rows by an index', async () => {
  await useEverything()
  const statements = [...issued.values()].filter(({ sql }) => /^(select|update|delete)/.test(sql))
  const client = new Client({ connectionString: service.database.url })
  await client.connect()
  await client.query('set enable_seqscan = off')

  const scanned = []
  for (const { sql, parameters } of statements) {
    const { rows } = await client.query(`explain (format json) ${sql}`, [...parameters])
    if (JSON.stringify(rows).includes('"Seq Scan"')) scanned.push(sql)
  }
  await client.end()

  expect(statements.length).toBeGreaterThan(20)
  expect(scanned).toEqual([])
})

/** Each route, with each of its filters. */
async function useEverything(): Promise<void> {
  const { user: admin, token } = await service.signUp('admin', 'admin@example.org')
  const call = <Body = Record<string, string>>(method: string, path: string, body?: unknown) =>
    service.call<Body>(method, `/api/${path}`, { token, ...(body !== undefined && { body }) })

  const { body: user } = await call<User>('POST', 'users', { first_name: 'Ada', email: 'ada@example.org' })
  for (const query of ['', '?role=admin', '?cursor=MQ', '?role=admin&cursor=MQ'])
    await call('GET', `users${query}`)
  await call('GET', `users/${user.id}`)
  await call('PATCH', `users/${user.id}`, { first_name: 'Eve', email: 'eve@example.org', telegram_id: 7 })
  await call('POST', `users/${user.id}/verify`)
  const { body: invitation } = await call('POST', `users/${user.id}/password-token`)
  await call('POST', 'auth/password/set', { token: invitation.token, new_password: testPassword })
  const first = await service.logIn('eve@example.org')
  const { body: second } = await call('POST', 'auth/refresh', { refresh_token: first.refresh_token })
  await call('POST', 'auth/refresh', { refresh_token: first.refresh_token })
  await call('POST', 'auth/logout', { refresh_token: second.refresh_token })
  await call('GET', 'auth/me')
  await call('POST', 'auth/password', { old_password: testPassword, new_password: 'another-41-Quiet-river' })
  await call('DELETE', `users/${user.id}`)
  const [from, to] = ['from=2020-01-01T00:00:00Z', 'to=2100-01-01T00:00:00Z']
  const cursor = `cursor=${btoa(`${Date.now()}.1`).replaceAll('=', '')}`
  const filters = [
    'entity=user',
    `entity=user&entity_id=${user.id}`,
    `actor_id=${admin.id}`,
    from,
    to,
    cursor,
  ]
  for (const filter of ['', ...filters, ...filters.map((other) => `${other}&${from}&${to}&${cursor}`)]) {
    const { status } = await call('GET', `audit?${[...new Set(filter.split('&'))].join('&')}`)
    expect(status).toBe(200)
  }
  await call('GET', `audit?entity_id=${user.id}`)
}
