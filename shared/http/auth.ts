import { jwt } from '@elysiajs/jwt'
import { Elysia } from 'elysia'
import { SharedError } from './problem-errors.ts'
import { currentRequest, type Principal } from './request-context.ts'
import { verifiedTokens } from './verified-tokens.ts'

export interface AuthOptions<Role extends string> {
  /** HS256 key, at least 32 bytes. */
  readonly secret: string
  readonly issuer: string
  readonly audience: string
  readonly ttlSeconds: number
  readonly roles: readonly Role[]
  /** The time, milliseconds since the epoch. */
  readonly now?: () => number
}

/** Access tokens and the guards of routes. */
export interface Auth<Role extends string> {
  /** A signed access token: `sub`, `role`, `iss`, `aud`, `iat`, `exp`, `jti`. */
  readonly issueAccessToken: (principal: Principal<Role>) => Promise<string>
  readonly ttlSeconds: number
  /** Asks every route after it for a bearer token and gives its handler the `principal`, and `expiresAtMs`, when its login ends. */
  readonly authenticated: ReturnType<typeof authentication<Role>>
  /**
   * Lets only these roles pass; goes into a route's `beforeHandle`, after `authenticated`.
   *
   * @throws {SharedError} `FORBIDDEN` for another role.
   */
  readonly requireRole: (...roles: readonly Role[]) => (context: { principal: Principal<Role> }) => void
}

/**
 * Signs and verifies access tokens with `@elysiajs/jwt`, strictly: HS256 only, our issuer and audience, and never
 * without `exp`, `sub` and `jti`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8725 JSON Web Token Best Current Practices
 */
export function createAuth<Role extends string>(options: AuthOptions<Role>): Auth<Role> {
  const { secret, issuer, audience, ttlSeconds, roles, now = Date.now } = options
  const { jwt: tokens } = jwt({ name: 'jwt', secret }).decorator

  const known = verifiedTokens<Login<Role>>({ now })

  const verify = async (token: string): Promise<Login<Role> | undefined> => {
    const claims = await tokens.verify(token, {
      algorithms: ['HS256'],
      issuer,
      audience,
      requiredClaims: ['exp', 'iat', 'sub', 'jti', 'role'],
      currentDate: new Date(now()),
    })
    if (!claims) return undefined
    const userId = Number(claims.sub)
    const role = roles.find((each) => each === claims.role)
    if (role === undefined || !Number.isSafeInteger(userId) || userId <= 0) return undefined
    const login = { principal: { userId, role }, expiresAtMs: Number(claims.exp) * 1000 }
    known.remember(token, login, claims.exp as number)
    return login
  }

  return {
    ttlSeconds,
    issueAccessToken({ userId, role }) {
      const issuedAt = Math.floor(now() / 1000)
      return tokens.sign({
        sub: String(userId),
        role,
        iss: issuer,
        aud: audience,
        exp: issuedAt + ttlSeconds,
        jti: crypto.randomUUID(),
      })
    },
    authenticated: authentication((token) => known.find(token) ?? verify(token)),
    requireRole:
      (...allowed) =>
      ({ principal }) => {
        if (!allowed.includes(principal.role))
          throw new SharedError('FORBIDDEN', 'Your role does not allow this')
      },
  }
}

interface Login<Role extends string> {
  readonly principal: Principal<Role>
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number
}

function authentication<Role extends string>(
  verify: (token: string) => Login<Role> | Promise<Login<Role> | undefined>,
) {
  // `derive`, not `resolve`: it runs before validation, so that 401 comes before 422.
  return new Elysia({ name: 'authenticated', seed: verify }).derive({ as: 'scoped' }, async ({ request }) => {
    const token = bearerToken(request.headers.get('authorization'))
    const login = token === undefined ? undefined : await verify(token)
    if (login === undefined) throw unauthenticated(token)
    const context = currentRequest()
    if (context) context.principal = login.principal
    return { principal: login.principal, expiresAtMs: login.expiresAtMs }
  })
}

/** Longer tokens are not even looked at: ours have about 300 characters. */
const maxTokenLength = 4096

function bearerToken(header: string | null): string | undefined {
  const match = /^bearer +([\w.~+/=-]+) *$/i.exec(header?.slice(0, maxTokenLength + 16) ?? '')
  const token = match?.[1]
  return token !== undefined && token.length <= maxTokenLength ? token : undefined
}

/** RFC 6750, section 3: the challenge names an error only where a token was sent. */
function unauthenticated(token: string | undefined): SharedError {
  const challenge = token === undefined ? 'Bearer' : 'Bearer error="invalid_token"'
  const detail =
    token === undefined ? 'Send an access token as a bearer token' : 'The access token is not valid'
  return new SharedError('UNAUTHENTICATED', detail, { headers: { 'www-authenticate': challenge } })
}
