export { createPasswordHasher, type PasswordHasher } from './password-hash.ts'
export { passwordBytes, weaknessOfPassword } from './password-policy.ts'
export { type FilledSecret, fillSecrets, type SecretAddresses } from './secret-files.ts'
export { createSecretToken, hashSecretToken, type SecretToken } from './secret-token.ts'
