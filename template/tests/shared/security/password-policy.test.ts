import { describe, expect, test } from 'bun:test'
import { createSecretToken, hashSecretToken, weaknessOfPassword } from '@kiln/shared/security'

describe('a password is refused', () => {
  test.each([
    ['', 'must have at least 12 bytes'],
    ['kU7#pQ2!zL9', 'must have at least 12 bytes'],
    ['漢字漢', 'must have at least 12 bytes'],
    ['Tz7-qW9!'.repeat(17), 'must have at most 128 bytes'],
    ['漢字仮名交文😀'.repeat(6), 'must have at most 128 bytes'],
  ])('for its length: %.20s', (password, weakness) => {
    expect(weaknessOfPassword(password)).toBe(weakness)
  })

  test.each([
    'password1234',
    'Password1234',
    'PASSWORD!!!!',
    'passwordpassword',
    'p@ssw0rd1234',
    'qwertyuiop12',
    'qwertyuiopqwertyuiop',
    '123456789012',
    '098765432109',
    '111111111111',
    'abababababab',
    'abcdefghijklm',
    'iloveyou1234',
    'letmein12345',
    'welcome12345',
    'admin1234567',
    'administrator1',
    'changemechangeme',
    'football2024',
    '1q2w3e4r5t6y',
    '1qaz2wsx3edc',
    'summer2024!!',
    'monkey123456',
    'trustno1trustno1',
    '            ',
  ])('as common: %s', (password) => {
    expect(weaknessOfPassword(password)).toBe('is one of the commonest passwords')
  })
})

describe('a password is taken', () => {
  test.each([
    'plum-42-harbour-lantern',
    'correct horse battery staple',
    'zK8#vW2!pQ4m',
    '漢字仮名交文',
    'Tz7-qW9!'.repeat(16),
    'my cat eats at seven',
    '8352019467382',
    createSecretToken().token,
  ])('%s', (password) => {
    expect(weaknessOfPassword(password)).toBeUndefined()
  })
})

test('a secret token has 256 random bits, and its hash is SHA-256', () => {
  const { token, hash } = createSecretToken()

  expect(Buffer.from(token, 'base64url')).toHaveLength(32)
  expect(Buffer.from(hash).toString('hex')).toBe(new Bun.CryptoHasher('sha256').update(token).digest('hex'))
  expect(hashSecretToken(token)).toEqual(hash)
  expect(createSecretToken().token).not.toBe(token)
})
