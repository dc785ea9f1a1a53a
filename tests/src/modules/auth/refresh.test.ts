import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { eventually } from '@kiln/shared/testing'
import { Client } from 'pg'
import { createTestService, type TestService, testPassword } from '../../../support/service.ts'

let service: TestService
let admin: string
beforeAll(async () => {
  service = await createTestService()
  admin = (await service.signIn('admin')).token
})
afterAll(() => service.close())

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly code?: string
}

const refresh = (token: string) =>
  service.call<Tokens>('POST', '/api/auth/refresh', { body: { refresh_token: token } })

let people = 0
async function somebody() {
  const email = `person-${++people}@example.org`
  const { user, token } = await service.signUp('applicant', email)
  return { user, token, email, ...(await service.logIn(email)) }
}

describe('a refresh token', () => {
  test('is exchanged for a new pair', async () => {
    const { refresh_token, user } = await somebody()

    const { status, body } = await refresh(refresh_token)

    expect(status).toBe(200)
    expect(body.refresh_token).not.toBe(refresh_token)
    const me = await service.call('GET', '/api/auth/me', { token: body.access_token })
    expect(me.body.id).toBe(user.id)
  })

  test('brings the role that the user has by now', async () => {
    const { refresh_token, user } = await somebody()
    await service.call('PATCH', `/api/users/${user.id}`, { token: admin, body: { role: 'manager' } })

    const { body } = await refresh(refresh_token)

    const list = await service.call('GET', '/api/users', { token: body.access_token })
    expect(list.status).toBe(200)
  })

  test('that was used before ends the whole login, and the ending is kept', async () => {
    const { refresh_token, user } = await somebody()
    const second = (await refresh(refresh_token)).body.refresh_token

    const reused = await refresh(refresh_token)
    const successor = await refresh(second)

    expect(reused.status).toBe(401)
    expect(reused.body.code).toBe('REFRESH_TOKEN_REUSED')
    expect(successor.body.code).toBe('REFRESH_TOKEN_INVALID')
    const audit = await service.call<{ items: { action: string }[] }>(
      'GET',
      `/api/audit?entity=user&entity_id=${user.id}`,
      { token: admin },
    )
    expect(audit.body.items.map(({ action }) => action)).toContain('auth.refresh_token_reused')
  })

  test('that is reused leaves the other logins of the user alone', async () => {
    const { refresh_token, email } = await somebody()
    const other = await service.logIn(email)
    await refresh(refresh_token)

    await refresh(refresh_token)

    expect((await refresh(other.refresh_token)).status).toBe(200)
  })

  test('is exchanged once, however many ask at the same time', async () => {
    const { refresh_token } = await somebody()

    const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(refresh_token)))

    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401])
    const winner = answers.find(({ status }) => status === 200)
    expect((await refresh(winner?.body.refresh_token ?? '')).status).toBe(401)
  })

  test('is not valid once it has expired', async () => {
    const { refresh_token, user } = await somebody()
    await service.db
      .updateTable('refresh_tokens')
      .set({ expires_at: new Date(Date.now() - 1) })
      .where('user_id', '=', user.id)
      .execute()

    const { status, body } = await refresh(refresh_token)

    expect(status).toBe(401)
    expect(body.code).toBe('REFRESH_TOKEN_INVALID')
  })

  test('is not valid once its user is deactivated', async () => {
    const { refresh_token, user } = await somebody()
    await service.call('DELETE', `/api/users/${user.id}`, { token: admin })

    const { body } = await refresh(refresh_token)

    expect(body.code).toBe('REFRESH_TOKEN_INVALID')
  })

  test('that nobody was given is not valid', async () => {
    const { status, body } = await refresh('x'.repeat(43))

    expect(status).toBe(401)
    expect(body.code).toBe('REFRESH_TOKEN_INVALID')
  })
})

describe('a logout', () => {
  test('ends this login and no other', async () => {
    const { refresh_token, email } = await somebody()
    const other = await service.logIn(email)

    const { status } = await service.call('POST', '/api/auth/logout', { body: { refresh_token } })

    expect(status).toBe(204)
    expect((await refresh(refresh_token)).body.code).toBe('REFRESH_TOKEN_INVALID')
    expect((await refresh(other.refresh_token)).status).toBe(200)
  })

  test('says nothing of a token that does not exist', async () => {
    const { status } = await service.call('POST', '/api/auth/logout', { body: { refresh_token: 'unknown' } })

    expect(status).toBe(204)
  })

  test('is in the audit trail once, however often it is asked for', async () => {
    const { refresh_token, user } = await somebody()

    for (const _ of [1, 2]) await service.call('POST', '/api/auth/logout', { body: { refresh_token } })

    const rows = await service.db
      .selectFrom('audit_log')
      .selectAll()
      .where('action', '=', 'auth.logged_out')
      .where('actor_id', '=', user.id)
      .execute()
    expect(rows).toHaveLength(1)
  })
})

describe('what ends logins also ends the one that is being refreshed at that moment', () => {
  test('a logout', async () => {
    const person = await somebody()

    const successor = await refreshWhile(person.refresh_token, () =>
      service.call('POST', '/api/auth/logout', { body: { refresh_token: person.refresh_token } }),
    )

    expect((await refresh(successor)).status).toBe(401)
  })

  test('a change of password', async () => {
    const person = await somebody()
    const body = { old_password: testPassword, new_password: 'another-41-Quiet-river' }

    const successor = await refreshWhile(person.refresh_token, () =>
      service.call('POST', '/api/auth/password', { token: person.token, body }),
    )

    expect((await refresh(successor)).status).toBe(401)
  })

  test('a reused token', async () => {
    const person = await somebody()
    const second = (await refresh(person.refresh_token)).body.refresh_token

    const successor = await refreshWhile(second, () => refresh(person.refresh_token))

    expect((await refresh(successor)).status).toBe(401)
  })
})

/** Holds a refresh up just before it stores the successor, until the other request waits for it. */
async function refreshWhile(token: string, other: () => Promise<unknown>): Promise<string> {
  const gate = new Client({ connectionString: service.database.url })
  await gate.connect()
  await gate.query(`
    create or replace function wait_at_gate() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
    create or replace trigger gate before insert on refresh_tokens for each row execute function wait_at_gate();
    select pg_advisory_lock(1)`)
  const waiting = (count: number) =>
    eventually(async () => {
      const { rows } = await gate.query(
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
      )
      expect(rows.length).toBeGreaterThanOrEqual(count)
    })
  try {
    const refreshed = refresh(token)
    await waiting(1)
    const others = other()
    await waiting(2)
    await gate.query('select pg_advisory_unlock(1)')
    await others
    return (await refreshed).body.refresh_token
  } finally {
    await gate.query('drop trigger gate on refresh_tokens')
    await gate.end()
  }
}
