import { type Defence, one } from './defence.ts'

export const tokens: readonly Defence[] = [
  {
    name: 'the algorithm of the key',
    test: 'tests/security/tokens.test.ts',
    edits: [
      ...one(
        'shared/http/access-tokens.ts',
        'if (signer === undefined || header?.alg !== signer.algorithm) return undefined',
        'if (signer === undefined) return undefined',
      ),
      ...one('shared/http/access-tokens.ts', '        algorithms: [signer.algorithm],\n', ''),
    ],
  },
  {
    name: 'keys by their id alone',
    test: 'tests/security/forged-keys.test.ts',
    edits: one(
      'shared/http/access-tokens.ts',
      "typeof header?.kid === 'string' ? signers.get(header.kid) : undefined",
      'signers.get(String(header?.kid)) ?? [...signers.values()].find(({ algorithm }) => algorithm === header?.alg)',
    ),
  },
  {
    name: 'no other field in a header',
    test: 'tests/security/forged-keys.test.ts',
    edits: one(
      'shared/http/access-tokens.ts',
      'Object.keys(header).every((field) => headerFields.includes(field)) ? header : undefined',
      'header',
    ),
  },
  {
    name: 'no padding in tokens',
    test: 'tests/security/forged-keys.test.ts',
    edits: one('shared/http/access-tokens.ts', 'if (!compact.test(token)) return undefined', ''),
  },
  {
    name: 'the issuer',
    test: 'tests/security/tokens.test.ts',
    edits: one(
      'shared/http/access-tokens.ts',
      '        issuer,\n        audience,\n        requiredClaims',
      '        audience,\n        requiredClaims',
    ),
  },
  {
    name: 'the audience',
    test: 'tests/security/tokens.test.ts',
    edits: one(
      'shared/http/access-tokens.ts',
      '        issuer,\n        audience,\n        requiredClaims',
      '        issuer,\n        requiredClaims',
    ),
  },
  {
    name: 'all claims',
    test: 'tests/security/tokens.test.ts',
    edits: one(
      'shared/http/access-tokens.ts',
      "requiredClaims: ['exp', 'iat', 'sub', 'jti', 'role', 'sid', 'ver']",
      'requiredClaims: []',
    ),
  },
  {
    name: 'the end of a token',
    test: 'tests/security/tokens.test.ts',
    edits: [
      ...one('shared/http/access-tokens.ts', 'if (now() >= expiresAt * 1000) return undefined', ''),
      ...one('shared/http/access-tokens.ts', 'currentDate: new Date(now())', 'currentDate: new Date(0)'),
    ],
  },
  {
    name: 'the beginning of a token',
    test: 'tests/security/tokens.test.ts',
    edits: one(
      'shared/http/access-tokens.ts',
      'currentDate: new Date(now()),',
      'currentDate: new Date(now()), clockTolerance: 3600,',
    ),
  },
  {
    name: 'known roles',
    test: 'tests/security/tokens.test.ts',
    edits: one('shared/http/access-tokens.ts', 'roles.find((each) => each === name)', 'name as Role'),
  },
  {
    name: 'the life of a token',
    test: 'tests/security/tokens.test.ts',
    edits: one(
      'shared/http/access-tokens.ts',
      'const expiresAt = Math.min(exp, iat + ttlSeconds)',
      'const expiresAt = exp',
    ),
  },
  {
    name: 'private keys kept',
    test: 'tests/security/forged-keys.test.ts',
    edits: one('shared/http/auth.ts', '[key.publicKey]', '[{ ...key.publicKey, d: key.privateKey?.d }]'),
  },
]
