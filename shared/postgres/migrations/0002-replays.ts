import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table replays (
      id text primary key,
      service text not null,
      subscription text not null,
      group_name text not null,
      events text[] not null,
      parts jsonb not null,
      per_second double precision,
      total integer not null,
      done integer not null,
      status text not null check (status in ('running', 'done', 'cancelled')),
      created_at timestamptz(3) not null
    )`.execute(db)
  await sql`create index replays_created_idx on replays (created_at, id)`.execute(db)
}
