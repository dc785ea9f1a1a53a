import type { EventsAudit } from '@kiln/shared'
import { currentWork, traceIdOf } from '@kiln/shared/context'
import { currentRequest, type Principal } from '@kiln/shared/http'
import { atCommit } from '@kiln/shared/postgres'
import type { Insertable, Kysely } from 'kysely'
import type { ActorType, Role, Schema } from './database/schema.ts'

/** Who does something: somebody with an access token, or one of the nameless. */
export type Actor = Principal<Role> | Exclude<ActorType, 'user'>

export interface AuditEntry {
  readonly actor: Actor
  /** What was done, past tense: `user.created`. */
  readonly action: string
  readonly entity: string
  readonly entityId: number | string
  /** What changed, as it was and as it is; never a secret. */
  readonly before?: Record<string, unknown>
  readonly after?: Record<string, unknown>
}

/**
 * Adds a row to the audit trail, with the correlation id, trace id and address of the request or event that is its cause.
 *
 * @param trx the transaction of the change itself: both are kept, or neither.
 */
export async function recordAudit(trx: Kysely<Schema>, entry: AuditEntry): Promise<void> {
  const { actor, action, entity, entityId, before = null, after = null } = entry
  const work = currentWork()
  await insert(trx, {
    actor_type: typeof actor === 'string' ? actor : 'user',
    actor_id: typeof actor === 'string' ? null : actor.userId,
    action,
    entity,
    entity_id: String(entityId),
    before,
    after,
    correlation_id: work?.correlationId ?? null,
    trace_id: (work && traceIdOf(work)) ?? null,
    address: currentRequest()?.address() ?? null,
  })
}

const insert = atCommit((db: Kysely<Schema>, row: Insertable<Schema['audit_log']>) =>
  db.insertInto('audit_log').values(row),
)

/** Takes down who does what to subscriptions, dead letters and replays, before it is done and after. */
export function auditEvents(db: Kysely<Schema>): (row: EventsAudit) => Promise<void> {
  return ({ action, entity, entityId, after }) => {
    const actor = (currentRequest()?.principal as Principal<Role> | undefined) ?? 'command-line'
    return recordAudit(db, { actor, action, entity, entityId, after })
  }
}
