import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pruneIdempotencyKeys } from '@kiln/shared/postgres'
import { eventually } from '@kiln/shared/testing'
import { sql } from 'kysely'
import { createTestDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { createPayments, type PaymentsOptions } from './support/payments.ts'

type Payments = Awaited<ReturnType<typeof createPayments>>

let database: TestDatabase
let opened: Payments[]
beforeEach(async () => {
  database = await createTestDatabase()
  opened = []
})
afterEach(async () => {
  for (const { db } of opened) await db.destroy()
  await database.drop()
})

async function open(options: PaymentsOptions = {}): Promise<Payments> {
  const payments = await createPayments(database.url, options)
  opened.push(payments)
  return payments
}

/** A door that is shut until it is opened; `reached` once somebody stands before it. */
function door() {
  const { promise: unlocked, resolve: unlock } = Promise.withResolvers<void>()
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  const pass = () => {
    reach()
    return unlocked
  }
  return { unlock, reached, pass }
}

const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code

describe('a repeat', () => {
  test('is given the same status, body and location, marked, and runs nothing', async () => {
    const { post, paid } = await open()

    const first = await post('/payments', { amount: 5 }, { key: 'a' })
    const second = await post('/payments', { amount: 5 }, { key: 'a' })

    expect([first.status, second.status]).toEqual([201, 201])
    expect(await second.text()).toBe(await first.text())
    expect(second.headers.get('location')).toBe('/payments/1')
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'))
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(second.headers.get('x-of-this-answer')).toBeNull()
    expect(second.headers.get('x-correlation-id')).not.toBe(first.headers.get('x-correlation-id'))
    expect(await paid()).toBe(1)
  })

  test('on another replica is given the same', async () => {
    const [here, there] = [await open(), await open()]
    await here.post('/payments', { amount: 5 }, { key: 'a' })

    const { status, headers } = await there.post('/payments', { amount: 5 }, { key: 'a' })

    expect([status, headers.get('idempotent-replayed')]).toEqual([201, 'true'])
    expect(await here.paid()).toBe(1)
  })

  test('of a request that was refused is refused the same way', async () => {
    const { post } = await open()

    const answers = [
      await post('/payments', { amount: -1 }, { key: 'a' }),
      await post('/payments', { amount: -1 }, { key: 'a' }),
    ]

    expect(answers.map(({ status }) => status)).toEqual([403, 403])
    expect(answers[1]?.headers.get('content-type')).toBe('application/problem+json')
    expect(answers[1]?.headers.get('idempotent-replayed')).toBe('true')
  })

  test('of an answer without a body has none', async () => {
    const { post } = await open()
    await post('/empty', {}, { key: 'a' })

    const again = await post('/empty', {}, { key: 'a' })

    expect([again.status, await again.text(), again.headers.get('idempotent-replayed')]).toEqual([
      204,
      '',
      'true',
    ])
  })

  test('while the first is being served is told to wait', async () => {
    const { unlock, reached, pass } = door()
    const { post, paid } = await open({ within: pass })

    const first = post('/payments', { amount: 5 }, { key: 'a' })
    await reached
    const during = await post('/payments', { amount: 5 }, { key: 'a' })
    unlock()

    expect(during.status).toBe(409)
    expect(await codeOf(during)).toBe('IDEMPOTENCY_IN_PROGRESS')
    expect(during.headers.get('retry-after')).toBe('1')
    expect((await first).status).toBe(201)
    expect(await paid()).toBe(1)
  })

  test('among twenty at once runs nothing: one is served', async () => {
    const { post, paid } = await open()

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post('/payments', { amount: 5 }, { key: 'a' })),
    )

    const served = answers.filter(
      ({ headers, status }) => status === 201 && !headers.has('idempotent-replayed'),
    )
    expect(served).toHaveLength(1)
    expect(await paid()).toBe(1)
  })
})

describe('a key', () => {
  test('with another body or path is refused', async () => {
    const { post, paid } = await open()
    await post('/payments', { amount: 5 }, { key: 'a' })

    const answers = [
      await post('/payments', { amount: 6 }, { key: 'a' }),
      await post('/payments?really', { amount: 5 }, { key: 'a' }),
      await post('/empty', { amount: 5 }, { key: 'a' }),
    ]

    expect(answers.map(({ status }) => status)).toEqual([422, 422, 422])
    expect(await Promise.all(answers.map(codeOf))).toEqual(Array(3).fill('IDEMPOTENCY_KEY_REUSED'))
    expect(await paid()).toBe(1)
  })

  test('is one of its user: nobody is given the answer of another', async () => {
    const { post, paid } = await open()
    await post('/payments', { amount: 5 }, { key: 'a', userId: 1 })

    const other = await post('/payments', { amount: 5 }, { key: 'a', userId: 2 })

    expect(await other.json()).toEqual({ id: 2, amount: 5 })
    expect(other.headers.get('idempotent-replayed')).toBeNull()
    expect(await paid()).toBe(2)
  })

  test('is asked for only where it is required', async () => {
    const { post } = await open()

    const missing = await post('/required', {})
    const optional = await post('/payments', { amount: 5 })

    expect([missing.status, await codeOf(missing)]).toEqual([400, 'IDEMPOTENCY_KEY_MISSING'])
    expect(optional.status).toBe(201)
  })

  test.each([[''], ['""'], ['"a'], ['a b'], ['x'.repeat(256)], ['"a", "b"'], ['a;b'], ['"é"']])(
    '%p is refused',
    async (key) => {
      const { post, paid } = await open()

      const answer = await post('/payments', { amount: 5 }, { key })

      expect([answer.status, await codeOf(answer)]).toEqual([400, 'IDEMPOTENCY_KEY_INVALID'])
      expect(await paid()).toBe(0)
    },
  )

  test('is the same with the quotes of the draft and without', async () => {
    const { post, paid } = await open()
    await post('/payments', { amount: 5 }, { key: '"8e03978e-40d5-43dd-bc93-6894a57f9324"' })

    const again = await post('/payments', { amount: 5 }, { key: '8e03978e-40d5-43dd-bc93-6894a57f9324' })

    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(await paid()).toBe(1)
  })

  test('is not used up by what is refused before the route, nor by a failure that changed nothing', async () => {
    const { post, paid } = await open()

    const invalid = await post('/payments', { amount: 'much' }, { key: 'a' })
    const failed = [
      await post('/payments', { amount: 0 }, { key: 'b' }),
      await post('/payments', { amount: 0 }, { key: 'b' }),
    ]
    const valid = await post('/payments', { amount: 5 }, { key: 'a' })

    expect(invalid.status).toBe(422)
    expect(failed.map(({ status, headers }) => [status, headers.has('idempotent-replayed')])).toEqual([
      [500, false],
      [500, false],
    ])
    expect(valid.status).toBe(201)
    expect(await paid()).toBe(1)
  })

  test('is forgotten when its time is over, in batches', async () => {
    const { post, paid, db } = await open({ keepMs: -1 })
    for (const key of ['a', 'b', 'c']) await post('/payments', { amount: 5 }, { key })

    await post('/payments', { amount: 6 }, { key: 'a' })
    const pruned = await pruneIdempotencyKeys(db, { batch: 2 })

    expect(await paid()).toBe(4)
    expect(pruned).toBe(3)
  })
})

describe('an answer that was not kept, of a request that was carried out,', () => {
  test('is lost, and a repeat is told so: it was too large', async () => {
    const { post, paid } = await open({ maxBytes: 1 })

    const first = await post('/payments', { amount: 5 }, { key: 'a' })
    const second = await post('/payments', { amount: 5 }, { key: 'a' })

    expect(first.status).toBe(201)
    expect([second.status, await codeOf(second)]).toEqual([409, 'IDEMPOTENCY_ANSWER_LOST'])
    expect(await paid()).toBe(1)
  })

  test('is lost when the handler fails behind its transaction', async () => {
    const { post, paid } = await open({
      after() {
        throw new Error('a bug')
      },
    })

    const first = await post('/payments', { amount: 5 }, { key: 'a' })
    const second = await post('/payments', { amount: 5 }, { key: 'a' })

    expect(first.status).toBe(500)
    expect(await codeOf(second)).toBe('IDEMPOTENCY_ANSWER_LOST')
    expect(await paid()).toBe(1)
  })
})

describe('a process that is killed', () => {
  async function payAndDie(when: 'within' | 'after') {
    const script = join(import.meta.dir, 'support/dying-payments.ts')
    const child = spawn(process.execPath, [script, database.url, when], { stdio: 'ignore' })
    const [, signal] = await once(child, 'exit')
    return signal
  }

  test('between the commit and the answer has paid once: a repeat is told, and pays nothing', async () => {
    const signal = await payAndDie('after')
    const { post, paid } = await open()

    const codes = new Set<string>()
    await eventually(async () => {
      codes.add(await codeOf(await post('/payments', { amount: 5 }, { key: 'dying' })))
      expect(codes).toContain('IDEMPOTENCY_ANSWER_LOST')
    })

    expect(signal).toBe('SIGKILL')
    expect([...codes].filter((code) => code !== 'IDEMPOTENCY_IN_PROGRESS')).toEqual([
      'IDEMPOTENCY_ANSWER_LOST',
    ])
    expect(await paid()).toBe(1)
  })

  test('within its transaction has paid nothing: a repeat pays, once its claim has lapsed', async () => {
    const signal = await payAndDie('within')
    const { post, paid } = await open()

    await eventually(async () =>
      expect((await post('/payments', { amount: 5 }, { key: 'dying' })).status).toBe(201),
    )

    expect(signal).toBe('SIGKILL')
    expect(await paid()).toBe(1)
  })
})

test('a request that is so slow that a repeat takes over is rolled back: one payment is kept', async () => {
  const { unlock, pass } = door()
  const slow = await open({ leaseMs: 1, within: pass })
  const quick = await open()

  const first = slow.post('/payments', { amount: 5 }, { key: 'a' })
  const second = await eventually(async () => {
    const { rows } = await sql`select from idempotency_keys where leased_until < clock_timestamp()`.execute(
      quick.db,
    )
    expect(rows).toHaveLength(1)
    return await quick.post('/payments', { amount: 5 }, { key: 'a' })
  })
  unlock()
  const late = await first

  expect(second.status).toBe(201)
  expect([late.status, await codeOf(late)]).toEqual([409, 'IDEMPOTENCY_IN_PROGRESS'])
  expect(await quick.paid()).toBe(1)
})
