import { describe, expect, test } from 'bun:test'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { readTokenKeys, weaknessOfKey } from '@kiln/shared/security'
import { loadConfig } from '../../../../src/config.ts'
import { testEnvironment, testSecret } from '../../../../tests/support/service.ts'
import { ed25519, pemOf, rsa } from '../../support/signing-keys.ts'

describe('a key id', () => {
  test('is the same in every process, another for another key, and nothing of the key itself', () => {
    const ids = [testSecret, `${testSecret}x`, ed25519.private, rsa.private].map(
      (key) => readTokenKeys({ secret: testSecret, previous: [key] }).accepted[1]?.kid ?? '',
    )

    expect(new Set(ids).size).toBe(4)
    expect(readTokenKeys({ secret: testSecret }).current.kid).toBe(ids[0] ?? '')
    expect(ids[0]).not.toBe(createHash('sha256').update(testSecret).digest('base64url').slice(0, 16))
    for (const id of ids) expect(testSecret).not.toContain(id)
  })

  test('of a private key is that of its public one', () => {
    const [, ofPrivate, ofPublic] = readTokenKeys({
      secret: testSecret,
      previous: [ed25519.private, ed25519.public],
    }).accepted

    expect(ofPrivate?.kid).toBe(ofPublic?.kid ?? '')
  })
})

test('the algorithm follows from the key', () => {
  const algorithmOf = (privateKey: string) => readTokenKeys({ privateKey }).current.algorithm

  expect([algorithmOf(ed25519.private), algorithmOf(rsa.private)]).toEqual(['EdDSA', 'RS256'])
  expect(readTokenKeys({ secret: testSecret }).current.algorithm).toBe('HS256')
})

test('beside a private key the secret is accepted, but signs nothing', () => {
  const { current, accepted } = readTokenKeys({ secret: testSecret, privateKey: ed25519.private })

  expect(current.algorithm).toBe('EdDSA')
  expect(accepted.map(({ algorithm }) => algorithm)).toEqual(['EdDSA', 'HS256'])
})

test('a public key alone, or none, signs nothing and is refused', () => {
  expect(() => readTokenKeys({ privateKey: ed25519.public })).toThrow('no key to sign with')
  expect(() => readTokenKeys({})).toThrow('no key to sign with')
})

const encrypted = generateKeyPairSync('ed25519').privateKey.export({
  format: 'pem',
  type: 'pkcs8',
  cipher: 'aes-256-cbc',
  passphrase: 'some',
})

describe('a weak key is refused, whatever it is for', () => {
  const weak = [
    ['short', 'too-short'],
    ['a sample', 'your-256-bit-secret-your-256-bit-secret'],
    ['RSA of 1,024 bits', pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)],
    ['of a curve', pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)],
    ['for key agreement', pemOf(generateKeyPairSync('x25519').privateKey)],
    ['under a passphrase', String(encrypted)],
    ['PEM of nothing', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
  ] as const

  test.each(weak)('%s', (_, key) => {
    const given = testEnvironment({ SERVICE_JWT_PREVIOUS_KEYS: `${testSecret}x,${key}` })

    expect(weaknessOfKey(key)).toBeString()
    expect(weaknessOfKey(key)).not.toContain(key)
    expect(() => readTokenKeys({ secret: key })).toThrow('the key')
    expect(() => readTokenKeys({ secret: testSecret, previous: [key] })).toThrow('the key')
    expect(() => loadConfig(given)).toThrow('SERVICE_JWT_PREVIOUS_KEYS')
    expect(() => loadConfig(testEnvironment({ SERVICE_JWT_PRIVATE_KEY: key }))).toThrow(
      'SERVICE_JWT_PRIVATE_KEY',
    )
  })
})

describe('the settings', () => {
  test('take good keys of every kind, and hide them', () => {
    const env = testEnvironment({
      SERVICE_JWT_PREVIOUS_KEYS: [`${testSecret}x`, ed25519.private, rsa.public].join(','),
      SERVICE_JWT_PRIVATE_KEY: rsa.private,
    })

    const { jwtPreviousKeys, jwtPrivateKey } = loadConfig(env)

    expect(jwtPreviousKeys).toHaveLength(3)
    expect(jwtPrivateKey).toBe(rsa.private)
  })

  test('need no secret beside a private key', () => {
    const env = testEnvironment({ SERVICE_JWT_SECRET_KEY: '', SERVICE_JWT_PRIVATE_KEY: ed25519.private })

    expect(loadConfig(env).jwtSecretKey).toBeUndefined()
  })

  test('refuse a public key to sign with', () => {
    expect(() => loadConfig(testEnvironment({ SERVICE_JWT_PRIVATE_KEY: ed25519.public }))).toThrow('PKCS#8')
  })
})
