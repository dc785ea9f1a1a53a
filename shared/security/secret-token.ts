import { createHash, randomBytes } from 'node:crypto'

/** A token that is shown once and kept only as its hash. */
export interface SecretToken {
  /** 256 random bits, base64url. */
  readonly token: string
  readonly hash: Uint8Array
}

export function createSecretToken(): SecretToken {
  const token = randomBytes(32).toString('base64url')
  return { token, hash: hashSecretToken(token) }
}

/** SHA-256 is enough for a random token: there is nothing to guess that a slow hash would protect. */
export function hashSecretToken(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}
