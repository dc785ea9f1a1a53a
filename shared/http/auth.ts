import { Elysia } from 'elysia'
import type { JWK } from 'jose'
import type { EndedLogins, LoginClaims } from '../security/ended-logins.ts'
import { type AccessTokenOptions, accessTokens, type Login } from './access-tokens.ts'
import { SharedError } from './problem-errors.ts'
import { currentRequest, type Principal } from './request-context.ts'
import { verifiedTokens } from './verified-tokens.ts'

export interface AuthOptions<Role extends string> extends Omit<AccessTokenOptions<Role>, 'now'> {
  /** Which logins have ended. Without it a token is good until it expires, whatever becomes of its login. */
  readonly endedLogins?: Pick<EndedLogins, 'stateOf' | 'watch'>
  /** The time, milliseconds since the epoch. */
  readonly now?: () => number
}

/** Access tokens and the guards of routes. */
export interface Auth<Role extends string> {
  /**
   * A signed access token: `sub`, `role`, `iss`, `aud`, `iat`, `exp`, `jti`, and what ends it, `sid` and `ver`.
   *
   * @param login the login that it belongs to, and the user's `token_version`; default one by itself.
   */
  readonly issueAccessToken: (
    principal: Principal<Role>,
    login?: Omit<LoginClaims, 'userId'>,
  ) => Promise<string>
  readonly ttlSeconds: number
  /** The public keys that verify our tokens: a JSON Web Key Set. Empty for HS256, whose key is nobody else's. */
  readonly publicKeys: readonly JWK[]
  /**
   * Asks every route after it for a bearer token and gives its handler the `principal`, and how its login ends:
   * `expiresAtMs`, and `onLoginEnd`.
   */
  readonly authenticated: ReturnType<typeof authentication<Role>>
  /**
   * Lets only these roles pass; goes into a route's `beforeHandle`, after `authenticated`.
   *
   * @throws {SharedError} `FORBIDDEN` for another role.
   */
  readonly requireRole: (...roles: readonly Role[]) => (context: { principal: Principal<Role> }) => void
}

/** Signs and verifies access tokens, strictly, and refuses those whose login has ended. */
export function createAuth<Role extends string>(options: AuthOptions<Role>): Auth<Role> {
  const { keys, ttlSeconds, endedLogins, now = Date.now } = options
  const tokens = accessTokens({ ...options, now })
  const known = verifiedTokens<Login<Role>>({ now })

  const verify = async (token: string): Promise<Login<Role> | undefined> => {
    const login = await tokens.verify(token)
    if (login) known.remember(token, login, login.expiresAt)
    return login
  }

  return {
    ttlSeconds,
    publicKeys: keys.accepted.flatMap((key) => (key.algorithm === 'HS256' ? [] : [key.publicKey])),
    issueAccessToken: (principal, login = { loginId: crypto.randomUUID(), version: 0 }) =>
      tokens.sign(principal, login),
    authenticated: authentication((token) => known.find(token) ?? verify(token), endedLogins),
    requireRole:
      (...allowed) =>
      ({ principal }) => {
        if (!allowed.includes(principal.role))
          throw new SharedError('FORBIDDEN', 'Your role does not allow this')
      },
  }
}

function authentication<Role extends string>(
  verify: (token: string) => Login<Role> | Promise<Login<Role> | undefined>,
  endedLogins: AuthOptions<Role>['endedLogins'],
) {
  // `derive`, not `resolve`: it runs before validation, so that 401 comes before 422.
  return new Elysia({ name: 'authenticated', seed: verify }).derive({ as: 'scoped' }, async ({ request }) => {
    const token = bearerToken(request.headers.get('authorization'))
    const login = token === undefined ? undefined : await verify(token)
    const state = login && endedLogins ? await endedLogins.stateOf(login) : 'open'
    if (login === undefined || state === 'ended') throw unauthenticated(token)
    if (state === 'unknown') throw undecided()
    const context = currentRequest()
    if (context) context.principal = login.principal
    return {
      principal: login.principal,
      expiresAtMs: login.expiresAt * 1000,
      /** Tells when the login ends before its time; gives what stops listening. */
      onLoginEnd: (listener: (reason: 'revoked' | 'unavailable') => void) =>
        endedLogins?.watch(login, listener) ?? (() => {}),
    }
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

/** The login may have ended, where we cannot look. */
function undecided(): SharedError {
  return new SharedError('DATABASE_UNAVAILABLE', 'Logins cannot be checked now', {
    headers: { 'retry-after': '1' },
  })
}
