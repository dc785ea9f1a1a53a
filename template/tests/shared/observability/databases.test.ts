import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { runAs } from '@kiln/shared/context'
import { openTelemetry, type Telemetry } from '@kiln/shared/observability'
import { connectDatabase } from '@kiln/shared/postgres'
import { type Kysely, sql } from 'kysely'
import { Registry } from 'prom-client'
import { statementOf } from '../../../../shared/postgres/query-observer.ts'
import { createTestDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { loggedLines } from '../../support/logged-lines.ts'

describe('statements', () => {
  const { logger, lines, level } = loggedLines()
  const registry = new Registry()
  const parsed = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  let telemetry: Telemetry
  let database: TestDatabase
  let db: Kysely<never>
  beforeAll(async () => {
    const about = { serviceName: 'some-service', version: '1', slowQueryMs: 150, slowRequestMs: 0 }
    telemetry = await openTelemetry({}, { ...about, logger, registry })
    database = await createTestDatabase()
    db = connectDatabase<never>({
      url: database.url,
      applicationName: 'test',
      poolMax: 1,
      connectTimeoutMs: 3000,
      statementTimeoutMs: 5000,
      prepared: true,
      observe: telemetry.queries,
    })
  })
  beforeEach(() => {
    lines.length = 0
    level.setLevel('INFO')
    lines.length = 0
  })
  afterAll(async () => {
    await db.destroy()
    await database.drop()
  })

  test('that are slow are warned of, without parameters; others are not', async () => {
    await sql`select 'connected'`.execute(db)
    lines.length = 0
    await sql`select ${'planted'}::text`.execute(db)
    await sql`select pg_sleep(0.2), ${'planted'}::text`.execute(db)

    expect(parsed()).toMatchObject([
      {
        level: 'warn',
        msg: 'slow query',
        sql: 'select pg_sleep(0.2), $1::text',
        duration_ms: expect.any(Number),
      },
    ])
    expect(lines.join('')).not.toContain('planted')
  })

  test('that waited for a connection say how long', async () => {
    await Promise.all([sql`select pg_sleep(0.2)`.execute(db), sql`select 1`.execute(db)])

    const waited = parsed().find(({ sql }) => sql === 'select 1')
    expect(waited?.waited_ms).toBeGreaterThan(100)
  })

  test('of a request or an event are all logged as soon as the level is DEBUG', async () => {
    level.toggleDebug()
    await runAs({ correlationId: 'c1', trace: undefined }, () => sql`select 1`.execute(db))
    await sql`select 'nobody asked'`.execute(db)
    level.toggleDebug()
    await sql`select 2`.execute(db)

    expect(parsed().map(({ level, msg, sql }) => [level, msg, sql])).toEqual([
      ['info', 'the log level has changed', undefined],
      ['debug', 'query', 'select 1'],
      ['info', 'the log level has changed', undefined],
    ])
  })

  test('are counted by operation and by the class of their failure', async () => {
    await sql`select no_such_column`.execute(db).catch(() => {})
    await db.transaction().execute((trx) => sql`select 1`.execute(trx))

    const text = await registry.metrics()
    const series = (operation: string, error: string) =>
      `_count{db_system_name="postgresql",db_operation_name="${operation}",error_type="${error}"} `
    for (const [operation, error] of [
      ['SELECT', ''],
      ['SELECT', '42'],
      ['BEGIN', ''],
      ['COMMIT', ''],
    ] as const)
      expect(text).toContain(series(operation, error))
  })
})

test.each([
  ['select "id" from "users" where "id" = $1', 'SELECT users'],
  ['/* lookup */ select "id" from "users"', 'SELECT users'],
  ['insert into "audit_log" ("a") values ($1)', 'INSERT audit_log'],
  ['update "users" set "a" = $1', 'UPDATE users'],
  ['with "x" as (select 1 from "users") select * from "x"', 'WITH users'],
  ['with "x" as (select 1) insert into outbox (a) select 1', 'INSERT outbox'],
  ['with x as (delete from outbox returning id) insert into old select id from x', 'DELETE outbox'],
  ['begin', 'BEGIN'],
  ['explode', '_OTHER'],
])('%s is summed up as %s', (text, summary) => {
  expect(statementOf(text).summary).toBe(summary)
})
