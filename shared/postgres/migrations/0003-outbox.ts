import { type Kysely, sql } from 'kysely'

/** Rows that were sent are moved, not marked: beside many sent ones the planner would read them all. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table outbox (
      id bigint generated always as identity primary key,
      bucket smallint not null check (bucket between 0 and 63),
      key text not null,
      event json not null,
      created_at timestamptz(3) not null default clock_timestamp(),
      parked_at timestamptz(3),
      parked_reason text
    )`.execute(db)
  await sql`create index outbox_bucket_idx on outbox (bucket, id) where parked_at is null`.execute(db)
  await sql`create index outbox_parked_idx on outbox (key, id) where parked_at is not null`.execute(db)
  await sql`
    create table outbox_archive (
      id bigint not null,
      event json not null,
      tag text not null,
      entry_ms bigint not null,
      entry_seq bigint not null,
      created_at timestamptz(3) not null,
      sent_at timestamptz(3) not null
    ) partition by range (sent_at)`.execute(db)
  await sql`create index outbox_archive_sent_idx on outbox_archive (sent_at, id)`.execute(db)
  await sql`create index outbox_archive_entry_idx on outbox_archive (tag, entry_ms, entry_seq)`.execute(db)
}
