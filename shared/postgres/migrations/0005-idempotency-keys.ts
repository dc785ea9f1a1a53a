import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table idempotency_keys (
      principal text not null,
      key text not null,
      fingerprint bytea not null,
      owner uuid not null,
      leased_until timestamptz(3) not null,
      committed_at timestamptz(3),
      status smallint,
      headers jsonb,
      body bytea,
      expires_at timestamptz(3) not null,
      primary key (principal, key)
    )`.execute(db)
  await sql`create index idempotency_keys_expiry_idx on idempotency_keys (expires_at)`.execute(db)
}
