import { createHash, createHmac, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { JWK } from 'jose'

/** How a key signs. It follows from the key, never from a token. */
export type TokenAlgorithm = 'HS256' | 'EdDSA' | 'RS256'

/** A key of access tokens, and the one algorithm that it is for. */
export type TokenKey = { readonly kid: string } & (
  | { readonly algorithm: 'HS256'; readonly secret: string }
  | {
      readonly algorithm: 'EdDSA' | 'RS256'
      readonly publicKey: JWK
      /** Undefined for a key that is only verified with. */
      readonly privateKey: JWK | undefined
    }
)

export interface TokenKeys {
  /** New tokens are signed with it. */
  readonly current: TokenKey
  /** Tokens signed with any of these are good; the current one is among them. */
  readonly accepted: readonly TokenKey[]
}

export interface TokenKeyTexts {
  /** HS256: a random text of at least 32 bytes. */
  readonly secret?: string | undefined
  /** PEM, PKCS#8: Ed25519 for EdDSA, RSA of at least 2,048 bits for RS256. Signs in place of the secret. */
  readonly privateKey?: string | undefined
  /** Texts and PEM keys, private or public, that are accepted but not signed with. */
  readonly previous?: readonly string[] | undefined
}

/**
 * The keys that a configuration names.
 *
 * Beside a private key the secret is accepted, and no more: so a service goes from one to the other without refusing
 * tokens.
 *
 * @throws {TypeError} for a weak key (`weaknessOfKey` says why), and where there is nothing to sign with.
 */
export function readTokenKeys({ secret, privateKey, previous = [] }: TokenKeyTexts): TokenKeys {
  const [current, ...others] = [privateKey, secret, ...previous].flatMap((text) =>
    text ? [readKey(text)] : [],
  )
  const canSign = current?.algorithm === 'HS256' || current?.privateKey !== undefined
  if (current === undefined || !canSign) throw new TypeError('no key to sign with')
  return { current, accepted: [current, ...others] }
}

/** What is wrong with a key, as text or PEM; undefined for a good one. Never carries the key. */
export function weaknessOfKey(text: string): string | undefined {
  return isPem(text) ? weaknessOfPem(text) : weaknessOfSecret(text)
}

/** What is wrong with a private key to sign with; undefined for a good one. */
export function weaknessOfPrivateKey(text: string): string | undefined {
  if (/^-----BEGIN PRIVATE KEY-----/.test(text.trim())) return weaknessOfPem(text)
  return 'must be a private key in PEM, PKCS#8; `openssl genpkey -algorithm ed25519` makes one'
}

/** Words of keys that stand in manuals and templates, and so in every attacker's list. */
const sampleWords =
  /your.?(256.?bit.?)?(jwt.?)?secret|secret.?key|super.?secret|change.?(me|this|it)|replace.?(me|this)|jwt.?secret|default|insecure|password|example|development|0123456789|1234567890|abcdefgh|qwerty/i

function weaknessOfSecret(key: string): string | undefined {
  const bytes = new TextEncoder().encode(key)
  if (bytes.length < 32) return 'must have at least 32 bytes; `openssl rand -base64 48` makes a good one'
  if (new Set(bytes).size < 10 || sampleWords.test(key)) {
    return 'must be random, not a sample or a pattern; `openssl rand -base64 48` makes a good one'
  }
  return undefined
}

const minRsaBits = 2048

function weaknessOfPem(pem: string): string | undefined {
  const key = readPem(pem)
  if (key === undefined) return 'holds a key in PEM that cannot be read: PKCS#8 without a passphrase, or SPKI'
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type !== 'ed25519' && type !== 'rsa') return 'must be an Ed25519 or an RSA key'
  const bits = details?.modulusLength ?? 0
  return type === 'rsa' && bits < minRsaBits ? `must have at least ${minRsaBits} bits for RSA` : undefined
}

function readKey(text: string): TokenKey {
  const weakness = weaknessOfKey(text)
  if (weakness !== undefined) throw new TypeError(`the key ${weakness}`)
  const key = isPem(text) ? readPem(text) : undefined
  return key ? asymmetricKey(key) : { kid: secretKeyId(text), algorithm: 'HS256', secret: text }
}

function asymmetricKey(key: KeyObject): TokenKey {
  const algorithm = key.asymmetricKeyType === 'rsa' ? 'RS256' : 'EdDSA'
  const isPrivate = key.type === 'private'
  const publicJwk = (isPrivate ? createPublicKey(key) : key).export({ format: 'jwk' }) as JWK
  const kid = thumbprint(publicJwk)
  const named = { kid, alg: algorithm, use: 'sig' }
  const privateKey = isPrivate ? { ...(key.export({ format: 'jwk' }) as JWK), alg: algorithm } : undefined
  return { kid, algorithm, publicKey: { ...publicJwk, ...named }, privateKey }
}

/** Everybody sees it: of a random key it tells nothing. */
function secretKeyId(secret: string): string {
  return createHmac('sha256', secret).update('key id').digest('base64url').slice(0, 16)
}

/** @see https://www.rfc-editor.org/rfc/rfc7638 */
function thumbprint({ crv, e, kty, n, x }: JWK): string {
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

function isPem(text: string): boolean {
  return text.includes('-----BEGIN ')
}

/** Undefined for what is neither a private nor a public key. */
function readPem(pem: string): KeyObject | undefined {
  for (const read of [createPrivateKey, createPublicKey]) {
    try {
      return read(pem)
    } catch {
      // The other kind, or none.
    }
  }
  return undefined
}
