import { type Kysely, sql } from 'kysely'

/** What makes the tokens of a user worthless does so in the database, whoever changes it and however. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table users
      add column token_version integer not null default 0,
      add column tokens_ended_at timestamptz(3)`.execute(db)
  await sql`
    create index users_tokens_ended_idx on users (tokens_ended_at)
    where tokens_ended_at is not null`.execute(db)
  await sql`
    create index refresh_tokens_ended_idx on refresh_tokens (revoked_at)
    where revoked_at is not null and rotated_at is null`.execute(db)
  await sql`
    create function end_access() returns trigger language plpgsql as $$
    begin
      new.token_version := old.token_version + 1;
      new.tokens_ended_at := clock_timestamp();
      return new;
    end $$`.execute(db)
  await sql`
    create trigger users_end_access before update on users for each row
    when ((old.role, old.password_hash, old.deactivated_at)
      is distinct from (new.role, new.password_hash, new.deactivated_at))
    execute function end_access()`.execute(db)
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop trigger users_end_access on users`.execute(db)
  await sql`drop function end_access`.execute(db)
  await sql`drop index refresh_tokens_ended_idx`.execute(db)
  await sql`alter table users drop column tokens_ended_at, drop column token_version`.execute(db)
}
