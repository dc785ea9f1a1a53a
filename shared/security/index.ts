export {
  createEndedLogins,
  type EndedAccess,
  type EndedLogins,
  type EndedLoginsOptions,
  type LoginClaims,
  type LoginState,
} from './ended-logins.ts'
export { keyProblems, keySettings, tokenKeysOf } from './key-settings.ts'
export { createPasswordHasher, type PasswordHasher } from './password-hash.ts'
export { passwordBytes, weaknessOfPassword } from './password-policy.ts'
export { type FilledSecret, fillSecrets, type SecretAddresses } from './secret-files.ts'
export { createSecretToken, hashSecretToken, type SecretToken } from './secret-token.ts'
export {
  readTokenKeys,
  type TokenAlgorithm,
  type TokenKey,
  type TokenKeys,
  type TokenKeyTexts,
  weaknessOfKey,
} from './token-keys.ts'
