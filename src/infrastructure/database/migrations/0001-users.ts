import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table users (
      id bigint generated always as identity primary key,
      telegram_id bigint constraint users_telegram_id_key unique,
      first_name text not null check (char_length(first_name) between 1 and 50),
      last_name text check (char_length(last_name) between 1 and 50),
      email text check (char_length(email) between 3 and 254),
      phone text check (char_length(phone) between 3 and 32),
      role text not null check (role in ('applicant', 'executor', 'manager', 'admin')),
      verified_at timestamptz(3),
      password_hash text,
      created_at timestamptz(3) not null default now(),
      updated_at timestamptz(3) not null default now(),
      deactivated_at timestamptz(3)
    )`.execute(db)
  await sql`create unique index users_email_key on users (lower(email))`.execute(db)
  await sql`create index users_role_id_idx on users (role, id)`.execute(db)
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table users`.execute(db)
}
