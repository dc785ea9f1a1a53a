import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table audit_log (
      id bigint generated always as identity primary key,
      occurred_at timestamptz(3) not null default now(),
      actor_type text not null check (actor_type in ('user', 'anonymous', 'system', 'command-line')),
      actor_id bigint references users (id),
      action text not null,
      entity text not null,
      entity_id text not null,
      before jsonb,
      after jsonb,
      correlation_id text,
      trace_id text,
      address inet,
      check ((actor_type = 'user') = (actor_id is not null))
    )`.execute(db)
  await sql`create index audit_log_time_idx on audit_log (occurred_at, id)`.execute(db)
  await sql`create index audit_log_entity_idx on audit_log (entity, entity_id, occurred_at, id)`.execute(db)
  await sql`create index audit_log_actor_idx on audit_log (actor_id, occurred_at, id)`.execute(db)
  await sql`
    create function refuse_audit_change() returns trigger language plpgsql as $$
    begin
      raise exception 'audit_log is append-only' using errcode = 'insufficient_privilege';
    end $$`.execute(db)
  await sql`
    create trigger audit_log_append_only before update or delete or truncate on audit_log
    for each statement execute function refuse_audit_change()`.execute(db)
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table audit_log`.execute(db)
  await sql`drop function refuse_audit_change`.execute(db)
}
