import { type Auth, bearerAuth } from '@kiln/shared/http'
import { Elysia } from 'elysia'
import type { Database } from '../../infrastructure/database/connection.ts'
import type { Role } from '../../infrastructure/database/schema.ts'
import { listAudit } from './audit.ts'
import { AuditList, ListAudit } from './schemas.ts'

export function auditRoutes({ db, auth }: { db: Database; auth: Auth<Role> }) {
  return new Elysia({
    name: 'audit',
    prefix: '/api/audit',
    detail: { tags: ['audit'], security: bearerAuth },
  })
    .use(auth.authenticated)
    .get('', ({ query }) => listAudit(db, query), {
      beforeHandle: auth.requireRole('admin'),
      query: ListAudit,
      response: AuditList,
      detail: { summary: 'Read the audit trail, newest first' },
    })
}
