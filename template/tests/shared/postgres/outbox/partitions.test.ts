import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { keepArchive, postgresArchive } from '@kiln/shared/postgres'
import { type Kysely, sql } from 'kysely'
import { archiveRows, type Db } from '../../../../../shared/postgres/outbox/rows.ts'
import { eventually } from '../../../../../shared/testing/eventually.ts'
import { hasRedisServer } from '../../events/support/redis-server.ts'
import { createSharedDatabase } from '../../events/support/shared-database.ts'
import { openStage } from './support/stage.ts'

const dayMs = 86_400_000
const firstDay = Date.parse('2026-02-27T23:59:59Z')
const later = (days: number) => () => firstDay + days * dayMs

describe('the parts of the archive', () => {
  let database: Awaited<ReturnType<typeof createSharedDatabase>>
  let db: Kysely<Record<string, never>>
  let other: Kysely<Record<string, never>>
  beforeAll(async () => {
    database = await createSharedDatabase({ clients: 2 })
    ;[db, other] = database.clients as [typeof db, typeof db]
  })
  afterAll(() => database?.close())

  test('are made for three days ahead, once, however many processes do it', async () => {
    const made = await Promise.all(
      Array.from({ length: 8 }, (_, at) => keepArchive(at % 2 ? db : other, { now: later(0) })),
    )

    expect(made.flatMap(({ created }) => created).toSorted()).toEqual([
      'outbox_archive_20260227',
      'outbox_archive_20260228',
      'outbox_archive_20260301',
    ])
  })

  test('take a row by its day in UTC', async () => {
    await sql`
      insert into outbox_archive (id, event, tag, entry_ms, entry_seq, created_at, sent_at)
      values (1, '{}', 'thing', 1, 1, now(), '2026-02-28 23:59:59.999+00'),
        (2, '{}', 'thing', 1, 2, now(), '2026-03-01 00:00:00+00')`.execute(db)

    const { rows } =
      await sql`select id, tableoid::regclass::text as part from outbox_archive order by id`.execute(db)
    expect(rows).toEqual([
      { id: 1, part: 'outbox_archive_20260228' },
      { id: 2, part: 'outbox_archive_20260301' },
    ])
  })

  test('are dropped when they are too old, but not while somebody reads them', async () => {
    const reader = await other.startTransaction().execute()
    await sql`select count(*) from outbox_archive_20260228`.execute(reader)

    const busy = await keepArchive(db, { keepDays: 1, now: later(3) })
    await reader.commit().execute()
    const free = await keepArchive(db, { keepDays: 1, now: later(3) })

    expect(busy.dropped).toEqual(['outbox_archive_20260227'])
    expect(busy.postponed).toEqual(['outbox_archive_20260228'])
    expect(free).toEqual({ created: [], dropped: ['outbox_archive_20260228'], postponed: [] })
  })
})

describe.skipIf(!hasRedisServer)('the archive', () => {
  test('gives what was sent by tag and entry id, and is written although its part was dropped', async () => {
    const stage = await openStage()
    stage.relay()
    await stage.publishAll(0, 5)
    await eventually(async () => expect(await stage.rows()).toMatchObject({ archived: 5 }))
    const sent = await stage.sent()
    const { rows: parts } = await sql<{ name: string }>`
      select inhrelid::regclass::text as name from pg_inherits where inhparent = 'outbox_archive'::regclass`.execute(
      stage.db,
    )
    const archive = postgresArchive(stage.db)

    const [second, third] = await archive.range('thing', sent[0]?.entryId ?? '', sent[3]?.entryId ?? '', 2)
    const all = await archive.range('thing', '0-0', '9999999999999-18446744073709551615', 100)
    for (const { name } of parts) await sql`drop table ${sql.table(name)}`.execute(stage.db)
    await stage.publishAll(5, 10)

    await eventually(async () => expect(await stage.rows()).toEqual({ waiting: 0, parked: 0, archived: 5 }))
    expect([second?.id, third?.id]).toEqual([sent[1]?.entryId, sent[2]?.entryId])
    expect(second?.fields).toEqual((await stage.transports.streams.range('thing', '0-0', 2))[1]?.fields)
    expect(all).toHaveLength(5)
    await stage.close()
  })

  test('takes no row twice', async () => {
    const stage = await openStage()
    await stage.publishAll(0, 1)
    await keepArchive(stage.db)
    const { rows } = await sql<{ id: number }>`select id from outbox`.execute(stage.db)
    const sent = [{ id: rows[0]?.id ?? 0, tag: 'thing', entryId: '1-1' }]
    const db = stage.db as unknown as Db

    await Promise.all([archiveRows(db, sent), archiveRows(db, sent)])

    expect(await stage.rows()).toEqual({ waiting: 0, parked: 0, archived: 1 })
    await stage.close()
  })
})
