import { Buffer } from 'node:buffer'
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { BulkheadRejectedError, bulkhead } from 'cockatiel'
import { AppError } from '../errors.ts'

/** OWASP's scrypt setting with the least memory that it recommends for p = 5: 16 MiB a hash. */
const parameters = { N: 2 ** 14, r: 8, p: 5 } as const
const keyLength = 32
const saltLength = 16

export interface PasswordHasher {
  /**
   * A hash with its parameters, `scrypt$16384$8$5$<salt>$<key>`, base64.
   *
   * @throws {AppError} `SERVICE_BUSY` when too many wait already.
   */
  readonly hash: (password: string) => Promise<string>
  /**
   * Whether a password belongs to a hash. Takes the same time for `null`, so that a caller cannot tell an unknown
   * account from a wrong password.
   *
   * @throws {AppError} `SERVICE_BUSY` when too many wait already.
   */
  readonly verify: (password: string, hash: string | null) => Promise<boolean>
}

/**
 * Hashes passwords with scrypt, off the event loop.
 *
 * A few at a time, because each takes a core and 16 MiB; the rest wait in a bounded queue, and beyond that are refused.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
 */
export function createPasswordHasher({ concurrency = 2, queueLimit = 100 } = {}): PasswordHasher {
  const policy = bulkhead(concurrency, queueLimit)
  const limited = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await policy.execute(work)
    } catch (error) {
      if (!(error instanceof BulkheadRejectedError)) throw error
      const headers = { 'retry-after': '5' }
      throw new AppError('SERVICE_BUSY', 'Too many passwords are being checked', { cause: error, headers })
    }
  }
  const nobody = { ...parameters, salt: randomBytes(saltLength), key: randomBytes(keyLength) }

  return {
    async hash(password) {
      const salt = randomBytes(saltLength)
      const key = await limited(() => derive(password, salt, parameters))
      const { N, r, p } = parameters
      return ['scrypt', N, r, p, salt.toString('base64'), key.toString('base64')].join('$')
    },
    async verify(password, hash) {
      const { salt, key, ...options } = (hash !== null && parseHash(hash)) || nobody
      const derived = await limited(() => derive(password, salt, options))
      return timingSafeEqual(derived, key) && hash !== null
    },
  }
}

/** Undefined for what `hash` did not make: no password belongs to that. */
function parseHash(hash: string) {
  const [scheme, N, r, p, salt = '', key = ''] = hash.split('$')
  const numbers = { N: Number(N), r: Number(r), p: Number(p) }
  const bytes = { salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') }
  const isWhole = Object.values(numbers).every(Number.isSafeInteger) && bytes.key.length === keyLength
  return scheme === 'scrypt' && isWhole ? { ...numbers, ...bytes } : undefined
}

function derive(
  password: string,
  salt: Buffer,
  { N, r, p }: { N: number; r: number; p: number },
): Promise<Buffer> {
  const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, keyLength, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}
