import { createHash } from 'node:crypto'
import type { DatabaseConnection } from 'kysely'
import { SharedError } from './problem-errors.ts'
import { currentRequest, type Principal } from './request-context.ts'

/** An answer as a repeat is given it. */
export interface StoredAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** A request that has a key to itself. */
export interface Claim {
  readonly principal: string
  readonly key: string
  /** SHA-256 of method, path, query and body. */
  readonly fingerprint: Uint8Array
  readonly owner: string
}

/** Where keys are kept, for all replicas. */
export interface IdempotencyStore {
  /**
   * Takes the key, or says who has it: `answer-lost` where its effect is committed and its process died before the answer
   * was kept.
   */
  readonly claim: (
    claim: Claim & { readonly leaseMs: number; readonly keepMs: number },
  ) => Promise<'claimed' | 'in-progress' | 'other-request' | 'answer-lost' | StoredAnswer>
  /**
   * Notes in a transaction of the request, as its last statement, that it is carried out.
   *
   * @throws {AppError} `IDEMPOTENCY_IN_PROGRESS` when another has taken over: the transaction is then rolled back.
   */
  readonly commit: (claim: Claim, connection: DatabaseConnection) => Promise<void>
  readonly store: (claim: Claim, answer: StoredAnswer) => Promise<void>
  /** Gives the key back, unless something was committed. */
  readonly release: (claim: Claim) => Promise<void>
}

export interface IdempotencyOptions {
  readonly store: IdempotencyStore
  /** How long a key is remembered. Default 24 hours. */
  readonly keepMs?: number
  /** After so long without an answer, and with nothing committed, a repeat runs. Default 60,000. */
  readonly leaseMs?: number
  /** A larger answer is not kept: a repeat is told that it is lost. Default 256 KiB. */
  readonly maxBytes?: number
  /** Told when an answer could not be kept. */
  readonly onError?: (error: unknown) => void
}

interface HookContext {
  readonly request: Request
  readonly principal: Principal
  readonly body: unknown
}

/** The headers that a repeat is given again; the others belong to each answer by itself. */
const keptHeaders = ['content-type', 'location']

/**
 * Makes a route's `Idempotency-Key` count; goes into its `beforeHandle`, after `authenticated` and the guards:
 * `beforeHandle: [auth.requireRole('admin'), idempotent()]`.
 *
 * A repeat by the same user with the same method, path and body is given the stored answer, marked
 * `Idempotent-Replayed: true`. An answer of 500 and above is not stored: the request may be repeated.
 *
 * What the handler writes in transactions of `connectDatabase` is done once, whatever crashes: each transaction notes, as its
 * last statement, that the key is used, and is rolled back where another request has the key by then. Were they
 * committed and the answer lost, a repeat is told so and runs nothing. What the handler does outside of a transaction, a call
 * to another service or a statement by itself, may be done again after a crash before the first commit.
 *
 * @throws {SharedError} `IDEMPOTENCY_KEY_MISSING` where it is required, `IDEMPOTENCY_KEY_INVALID`,
 * `IDEMPOTENCY_KEY_REUSED` for another request, `IDEMPOTENCY_IN_PROGRESS`, `IDEMPOTENCY_ANSWER_LOST`.
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
export function createIdempotency(options: IdempotencyOptions) {
  const { store, keepMs = 86_400_000, leaseMs = 60_000 } = options

  return ({ required = false } = {}) =>
    async ({ request, principal, body }: HookContext): Promise<Response | undefined> => {
      const context = currentRequest()
      const key = readKey(request, required)
      if (key === undefined || context === undefined) return undefined
      const fingerprint = fingerprintOf(request, body)
      const claim = { principal: String(principal.userId), key, fingerprint, owner: crypto.randomUUID() }

      const found = await store.claim({ ...claim, leaseMs, keepMs })
      if (typeof found === 'object') return replay(found)
      if (found !== 'claimed') throw refusal(found)
      context.beforeCommit = (connection) => store.commit(claim, connection)
      context.beforeAnswer = (response) => keep(claim, response, options)
      return undefined
    }
}

async function keep(
  claim: Claim,
  response: Response,
  { store, maxBytes = 262_144, onError }: IdempotencyOptions,
): Promise<Response> {
  const { status } = response
  const body = await response.bytes()
  const headers = Object.fromEntries(
    keptHeaders.flatMap((name) => {
      const value = response.headers.get(name)
      return value === null ? [] : [[name, value]]
    }),
  )
  try {
    if (status < 500 && body.byteLength <= maxBytes) await store.store(claim, { status, headers, body })
    else await store.release(claim)
  } catch (error) {
    // The caller has its answer all the same.
    onError?.(error)
  }
  return new Response(hasBody(status) ? body : null, { status, headers: response.headers })
}

function replay({ status, headers, body }: StoredAnswer): Response {
  const content = hasBody(status) ? new Uint8Array(body) : null
  return new Response(content, { status, headers: { ...headers, 'idempotent-replayed': 'true' } })
}

function hasBody(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304
}

/** A string of RFC 8941, with its quotes as the draft asks, or without, as many clients send it. */
const wellFormedKey = /^(?:"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\w.:~+/=-]{1,255}))$/

function readKey(request: Request, required: boolean): string | undefined {
  const header = request.headers.get('idempotency-key')
  if (header === null) {
    if (!required) return undefined
    throw new SharedError('IDEMPOTENCY_KEY_MISSING', 'Send an Idempotency-Key')
  }
  const [, quoted, bare] = wellFormedKey.exec(header) ?? []
  const key = quoted ?? bare
  if (key !== undefined) return key
  throw new SharedError(
    'IDEMPOTENCY_KEY_INVALID',
    'The Idempotency-Key must be a string of 1 to 255 characters',
  )
}

function fingerprintOf(request: Request, body: unknown): Uint8Array {
  const { pathname, search } = new URL(request.url)
  const text = JSON.stringify([request.method, pathname, search, body ?? null])
  return createHash('sha256').update(text).digest()
}

function refusal(found: 'in-progress' | 'other-request' | 'answer-lost'): SharedError {
  if (found === 'other-request')
    return new SharedError('IDEMPOTENCY_KEY_REUSED', 'The Idempotency-Key belongs to another request')
  if (found === 'answer-lost')
    return new SharedError('IDEMPOTENCY_ANSWER_LOST', 'The request was carried out, but its answer is lost')
  return new SharedError('IDEMPOTENCY_IN_PROGRESS', 'The request with this Idempotency-Key is being served', {
    headers: { 'retry-after': '1' },
  })
}
