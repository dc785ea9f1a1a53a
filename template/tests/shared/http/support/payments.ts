import {
  createAuth,
  createIdempotency,
  problemErrors,
  requestContext,
  SharedError,
  sharedProblems,
} from '@kiln/shared/http'
import { connectDatabase, migrateShared, postgresIdempotencyKeys } from '@kiln/shared/postgres'
import { readTokenKeys } from '@kiln/shared/security'
import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { type GeneratedAlways, sql, type Transaction } from 'kysely'
import { testSecret } from '../../../../../tests/support/service.ts'

interface Schema {
  payments: { id: GeneratedAlways<number>; amount: number }
}

export interface PaymentsOptions {
  readonly leaseMs?: number
  readonly keepMs?: number
  readonly maxBytes?: number
  /** Runs in the transaction, after the payment. */
  readonly within?: (trx: Transaction<Schema>) => Promise<void>
  /** Runs when the transaction is committed. */
  readonly after?: () => Promise<void> | void
}

/** An app that takes payments, `POST /payments`, each in a transaction; its routes ask for idempotency in one line. */
export async function createPayments(url: string, { within, after, ...options }: PaymentsOptions = {}) {
  const db = connectDatabase<Schema>({
    url,
    applicationName: 'payments',
    poolMax: 20,
    connectTimeoutMs: 3000,
    statementTimeoutMs: 10_000,
    prepared: true,
  })
  await migrateShared(db)
  await sql`create table if not exists payments (id bigint generated always as identity primary key, amount int)`.execute(
    db,
  )
  const keys = readTokenKeys({ secret: testSecret })
  const auth = createAuth({ keys, issuer: 'i', audience: 'a', ttlSeconds: 60, roles: ['user'] as const })
  const errors: unknown[] = []
  const idempotent = createIdempotency({
    store: postgresIdempotencyKeys(db),
    onError: (error) => errors.push(error),
    ...options,
  })
  const Payment = Type.Object({ amount: Type.Integer() })

  const app = new Elysia()
    .use(requestContext())
    .use(problemErrors({ problems: sharedProblems, report: (error) => errors.push(error) }))
    .use(auth.authenticated)
    .post(
      '/payments',
      async ({ body: { amount }, set }) => {
        const id = await db.transaction().execute(async (trx) => {
          const row = await trx
            .insertInto('payments')
            .values({ amount })
            .returning('id')
            .executeTakeFirstOrThrow()
          await within?.(trx)
          if (amount < 0) throw new SharedError('FORBIDDEN', 'No')
          if (amount === 0) throw new Error('a bug')
          return row.id
        })
        await after?.()
        set.status = 201
        set.headers.location = `/payments/${id}`
        set.headers['x-of-this-answer'] = 'alone'
        return { id, amount }
      },
      { beforeHandle: idempotent(), body: Payment },
    )
    .post('/required', () => 'done', { beforeHandle: idempotent({ required: true }) })
    .post('/empty', ({ status }) => status(204, undefined), { beforeHandle: idempotent() })

  return {
    app,
    db,
    errors,
    async post(path: string, body: unknown, { key, userId = 1 }: { key?: string; userId?: number } = {}) {
      const token = await auth.issueAccessToken({ userId, role: 'user' })
      return await app.handle(
        new Request(`http://localhost${path}`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            ...(key !== undefined && { 'idempotency-key': key }),
          },
          body: JSON.stringify(body),
        }),
      )
    },
    async paid(): Promise<number> {
      const rows = await db.selectFrom('payments').select('id').execute()
      return rows.length
    },
  }
}
