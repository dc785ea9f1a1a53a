import { type Defence, one } from './defence.ts'

export const logins: readonly Defence[] = [
  {
    name: 'the same work for nobody',
    test: 'tests/security/logins.test.ts',
    edits: one(
      'src/modules/auth/logins.ts',
      'if (!(await passwords.verify(password, user?.password_hash ?? null)) || user === undefined) {',
      'if (user === undefined || !(await passwords.verify(password, user.password_hash))) {',
    ),
  },
  {
    name: 'the same answer for nobody',
    test: 'tests/security/logins.test.ts',
    edits: one(
      'src/modules/auth/logins.ts',
      '    throw wrongCredentials()\n  }\n  return await db',
      "    throw user ? wrongCredentials() : new ServiceError('CREDENTIALS_INVALID', 'Nobody has this e-mail')\n  }\n  return await db",
    ),
  },
  {
    name: 'refresh tokens once',
    test: 'tests/security/logins.test.ts',
    edits: one(
      'src/modules/auth/logins.ts',
      "      .where('rotated_at', 'is', null)\n      .where('revoked_at'",
      "      .where('revoked_at'",
    ),
  },
  {
    name: 'reuse ends the login',
    test: 'tests/security/logins.test.ts',
    edits: one(
      'src/modules/auth/logins.ts',
      "  if (!token?.rotated_at) return 'invalid'",
      "  if (!token?.rotated_at || hash) return 'invalid'",
    ),
  },
  {
    name: 'ended logins',
    test: 'tests/security/logins.test.ts',
    edits: one(
      'shared/security/ended-logins.ts',
      "if (logins.get(loginId) || version < (versions.get(userId) ?? 0)) return 'ended'",
      "if (loginId === String(version + userId)) return 'ended'",
    ),
  },
  {
    name: 'counted before it is looked at',
    test: './template/tests/shared/http/limits/login-limit.test.ts',
    edits: one(
      'shared/http/limits/login-limit.ts',
      'const refused = standing.used > standing.quota.points',
      'const refused = standing.used < 0',
    ),
  },
  {
    name: 'accounts in any case',
    test: './template/tests/shared/http/limits/login-limit.test.ts',
    edits: one('shared/http/limits/login-limit.ts', "account.normalize('NFKC').toLowerCase()", 'account'),
  },
  {
    name: 'waits that grow',
    test: './template/tests/shared/http/limits/login-limit.test.ts',
    edits: one(
      'shared/http/limits/login-limit.ts',
      'firstBlockSeconds * 2 ** (strikes - 1)',
      'firstBlockSeconds * (strikes > 0 ? 1 : 0)',
    ),
  },
]
