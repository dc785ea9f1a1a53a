import { type Kysely, sql } from 'kysely'

/** What `postgresSubscriptions` of the shared package keeps. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table subscriptions (
      consumer_group text primary key,
      owner text not null,
      name text not null,
      events text[] not null,
      tags text[] not null,
      paused boolean not null default false,
      heard_at timestamptz not null,
      marks jsonb not null default '{}'
    )`.execute(db)
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table subscriptions`.execute(db)
}
