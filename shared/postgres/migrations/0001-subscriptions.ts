import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table subscriptions (
      group_name text primary key,
      owner text not null,
      name text not null,
      events text[] not null,
      tags text[] not null,
      paused boolean not null default false,
      heard_at timestamptz(3) not null
    )`.execute(db)
  await sql`
    create table subscription_marks (
      group_name text not null,
      tag text not null,
      mark text not null,
      primary key (group_name, tag)
    )`.execute(db)
}
