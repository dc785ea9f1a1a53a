import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table inbox (
      group_name text not null,
      source text not null,
      event_id text not null,
      handled_at timestamptz(3) not null default clock_timestamp(),
      primary key (group_name, source, event_id)
    )`.execute(db)
  await sql`create index inbox_handled_idx on inbox (handled_at)`.execute(db)
}
