import { type Static, type TObject, Type } from '@sinclair/typebox'
import { count, type Environment, type SettingProblem } from '../settings.ts'
import { readTokenKeys, type TokenKeys, weaknessOfKey, weaknessOfPrivateKey } from './token-keys.ts'

const secret = { secret: true } as const

/** The settings of access tokens and logins, to be spread into a service's own. */
export const keySettings = {
  jwtSecretKey: Type.Optional(
    Type.String({
      ...secret,
      description:
        'signing key of access tokens, at least 32 bytes, required without a private key; `openssl rand -base64 48` makes one',
      expected: 'must be a text',
    }),
  ),
  jwtPreviousKeys: Type.Optional(
    Type.Array(Type.String(), {
      ...secret,
      maxItems: 10,
      description:
        'keys, separated by commas, that are accepted but not signed with: those before, and the next',
      expected: 'must be at most 10 keys, separated by commas',
    }),
  ),
  jwtPrivateKey: Type.Optional(
    Type.String({
      ...secret,
      description:
        'private key in PEM, Ed25519 or RSA: signs in place of the secret, and `/.well-known/jwks.json` shows its public key',
      expected: 'must be a text',
    }),
  ),
  jwtAudience: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'audience of access tokens; unset: the service name',
      expected: 'must not be empty',
    }),
  ),
  accessTokenTtlSeconds: count('life of an access token, seconds', {
    default: 900,
    minimum: 1,
    maximum: 86_400,
  }),
  refreshTokenTtlSeconds: count('life of a refresh token, seconds', {
    default: 2_592_000,
    minimum: 60,
    maximum: 31_536_000,
  }),
}

type KeySettings = Static<TObject<typeof keySettings>>

/** What is wrong with the keys and lives of tokens, of those settings that were asked for. */
export function keyProblems(
  settings: Partial<KeySettings>,
  { env, prefix, keys }: { env: Environment; prefix: string; keys: readonly string[] },
): SettingProblem[] {
  const { jwtSecretKey, jwtPrivateKey, jwtPreviousKeys = [] } = settings
  const isGiven = (key: string) => env[`${prefix}_${key}`] || env[`${prefix}_${key}_FILE`]
  const found: [name: string, message: string | undefined][] = []
  if (jwtSecretKey !== undefined) found.push(['JWT_SECRET_KEY', weaknessOfKey(jwtSecretKey)])
  else if (keys.includes('jwtSecretKey') && jwtPrivateKey === undefined && !isGiven('JWT_SECRET_KEY'))
    found.push(['JWT_SECRET_KEY', `is required: ${keySettings.jwtSecretKey.description}`])
  if (jwtPrivateKey !== undefined) found.push(['JWT_PRIVATE_KEY', weaknessOfPrivateKey(jwtPrivateKey)])
  for (const weakness of new Set(jwtPreviousKeys.map(weaknessOfKey)))
    found.push(['JWT_PREVIOUS_KEYS', weakness])

  return found.flatMap(([key, message]) => {
    const name = `${prefix}_${key}`
    return message === undefined ? [] : [{ name: env[`${name}_FILE`] ? `${name}_FILE` : name, message }]
  })
}

/** The keys that the settings name. @throws {TypeError} for what `keyProblems` complains of. */
export function tokenKeysOf(settings: Partial<KeySettings>): TokenKeys {
  const { jwtSecretKey: secret, jwtPrivateKey: privateKey, jwtPreviousKeys: previous } = settings
  return readTokenKeys({ secret, privateKey, previous })
}
