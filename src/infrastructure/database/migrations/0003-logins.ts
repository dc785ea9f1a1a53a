import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table refresh_tokens (
      token_hash bytea primary key,
      family_id uuid not null,
      user_id bigint not null references users (id) on delete cascade,
      created_at timestamptz(3) not null default now(),
      expires_at timestamptz(3) not null,
      rotated_at timestamptz(3),
      revoked_at timestamptz(3)
    )`.execute(db)
  await sql`create index refresh_tokens_family_idx on refresh_tokens (family_id)`.execute(db)
  await sql`create index refresh_tokens_user_idx on refresh_tokens (user_id)`.execute(db)
  await sql`
    create table password_tokens (
      user_id bigint primary key references users (id) on delete cascade,
      token_hash bytea not null constraint password_tokens_token_hash_key unique,
      created_at timestamptz(3) not null default now(),
      expires_at timestamptz(3) not null
    )`.execute(db)
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table password_tokens`.execute(db)
  await sql`drop table refresh_tokens`.execute(db)
}
