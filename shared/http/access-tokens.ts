import { jwt } from '@elysiajs/jwt'
import { decodeProtectedHeader, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import type { LoginClaims } from '../security/ended-logins.ts'
import type { TokenKey, TokenKeys } from '../security/token-keys.ts'
import type { Principal } from './request-context.ts'

export interface AccessTokenOptions<Role extends string> {
  readonly keys: TokenKeys
  readonly issuer: string
  readonly audience: string
  readonly ttlSeconds: number
  readonly roles: readonly Role[]
  /** The time, milliseconds since the epoch. */
  readonly now: () => number
}

/** What an access token stands for. */
export interface Login<Role extends string> extends LoginClaims {
  readonly principal: Principal<Role>
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

export interface AccessTokens<Role extends string> {
  readonly sign: (principal: Principal<Role>, login: Omit<LoginClaims, 'userId'>) => Promise<string>
  /** Undefined for a token that is not good, whatever is wrong with it. */
  readonly verify: (token: string) => Promise<Login<Role> | undefined>
}

/**
 * Signs with the current key and verifies with the one that a token's `kid` names, each by its own algorithm alone:
 * HS256 through `@elysiajs/jwt`, which binds one key and cannot choose, the others through `jose`.
 *
 * A `kid` is looked up among the keys of the configuration and nowhere else. A header with more than `alg`, `typ` and
 * `kid`, such as a key of its own or an address of one, is none of ours.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8725 JSON Web Token Best Current Practices
 */
export function accessTokens<Role extends string>(options: AccessTokenOptions<Role>): AccessTokens<Role> {
  const { keys, issuer, audience, ttlSeconds, roles, now } = options
  const signers = new Map(keys.accepted.map((key) => [key.kid, signerOf(key)]))
  const current = signerOf(keys.current)

  return {
    sign({ userId, role }, { loginId, version }) {
      const exp = Math.floor(now() / 1000) + ttlSeconds
      const of = { sub: String(userId), role, sid: loginId, ver: version }
      return current.sign({ ...of, iss: issuer, aud: audience, exp, jti: crypto.randomUUID() })
    },
    async verify(token) {
      const header = headerOf(token)
      const signer = typeof header?.kid === 'string' ? signers.get(header.kid) : undefined
      if (signer === undefined || header?.alg !== signer.algorithm) return undefined
      const claims = await signer.verify(token, {
        algorithms: [signer.algorithm],
        issuer,
        audience,
        requiredClaims: ['exp', 'iat', 'sub', 'jti', 'role', 'sid', 'ver'],
        currentDate: new Date(now()),
      })
      return claims && readLogin(claims)
    },
  }

  function readLogin({ sub, role: name, sid, ver, iat = 0, exp = 0 }: JWTPayload): Login<Role> | undefined {
    const userId = Number(sub)
    const role = roles.find((each) => each === name)
    if (role === undefined || !Number.isSafeInteger(userId) || userId <= 0) return undefined
    if (typeof sid !== 'string' || !Number.isSafeInteger(ver)) return undefined
    // A life that was made shorter holds at once: the end of a login is remembered only so long.
    const expiresAt = Math.min(exp, iat + ttlSeconds)
    if (now() >= expiresAt * 1000) return undefined
    return { principal: { userId, role }, userId, loginId: sid, version: ver as number, expiresAt }
  }
}

type VerifyOptions = NonNullable<Parameters<typeof jwtVerify>[2]>

type Claims = {
  readonly sub: string
  readonly role: string
  readonly sid: string
  readonly ver: number
  readonly iss: string
  readonly aud: string
  readonly exp: number
  readonly jti: string
}

interface Signer {
  readonly algorithm: string
  readonly sign: (claims: Claims) => Promise<string>
  readonly verify: (token: string, options: VerifyOptions) => Promise<JWTPayload | undefined>
}

function signerOf(key: TokenKey): Signer {
  const { kid, algorithm } = key
  if (key.algorithm === 'HS256') {
    const { jwt: tokens } = jwt({ name: 'jwt', secret: key.secret, kid }).decorator
    return {
      algorithm,
      sign: (claims) => tokens.sign(claims),
      verify: async (token, options) =>
        ((await tokens.verify(token, options)) || undefined) as JWTPayload | undefined,
    }
  }
  const { publicKey, privateKey } = key
  return {
    algorithm,
    async sign(claims) {
      if (privateKey === undefined) throw new TypeError('a public key cannot sign')
      return await new SignJWT(claims)
        .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid })
        .setIssuedAt()
        .sign(privateKey)
    },
    async verify(token, options) {
      try {
        return (await jwtVerify(token, publicKey, options)).payload
      } catch {
        return undefined
      }
    },
  }
}

const headerFields = ['alg', 'typ', 'kid']

/** As RFC 7515 writes it: no padding. */
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/

function headerOf(token: string) {
  if (!compact.test(token)) return undefined
  try {
    const header = decodeProtectedHeader(token)
    return Object.keys(header).every((field) => headerFields.includes(field)) ? header : undefined
  } catch {
    return undefined
  }
}
