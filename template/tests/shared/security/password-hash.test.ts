import { describe, expect, test } from 'bun:test'
import { randomBytes, scryptSync } from 'node:crypto'
import { createPasswordHasher } from '@kiln/shared/security'

const password = 'plum-42-harbour-lantern'

function hashWith({ N, r, p }: { N: number; r: number; p: number }): string {
  const salt = randomBytes(16)
  const key = scryptSync(password, salt, 32, { N, r, p, maxmem: 256 * N * r })
  return ['scrypt', N, r, p, salt.toString('base64'), key.toString('base64')].join('$')
}

describe('a password hash', () => {
  test('is scrypt with its parameters, a salt of 16 and a key of 32 bytes', async () => {
    const hash = await createPasswordHasher().hash(password)

    const [scheme, N, r, p, salt = '', key = ''] = hash.split('$')
    expect([scheme, N, r, p]).toEqual(['scrypt', '16384', '8', '5'])
    expect(Buffer.from(salt, 'base64')).toHaveLength(16)
    expect(key).toBe(
      scryptSync(password, Buffer.from(salt, 'base64'), 32, {
        N: 16384,
        r: 8,
        p: 5,
        maxmem: 2 ** 26,
      }).toString('base64'),
    )
  })

  test('is another one each time', async () => {
    const hasher = createPasswordHasher()

    const [one, other] = await Promise.all([hasher.hash(password), hasher.hash(password)])

    expect(one).not.toBe(other)
  })

  test('belongs to its password and to no other', async () => {
    const hasher = createPasswordHasher()
    const hash = await hasher.hash(password)

    expect(await hasher.verify(password, hash)).toBe(true)
    expect(await hasher.verify(`${password} `, hash)).toBe(false)
    expect(await hasher.verify('', hash)).toBe(false)
  })

  test.each([
    { N: 1024, r: 8, p: 1 },
    { N: 2 ** 15, r: 8, p: 3 },
    { N: 2 ** 17, r: 8, p: 1 },
  ])('made with other parameters is still good: %p', async (parameters) => {
    const hasher = createPasswordHasher()
    const hash = hashWith(parameters)

    expect(await hasher.verify(password, hash)).toBe(true)
    expect(await hasher.verify('wrong', hash)).toBe(false)
  })

  test.each([
    [null],
    [''],
    ['nonsense'],
    ['bcrypt$1$2$3$4$5'],
    ['scrypt'],
    ['scrypt$16384$8$5$AAAA$AAAA'],
    ['scrypt$x$8$5$AAAA$AAAA'],
  ])('that is none belongs to no password: %p', async (hash) => {
    expect(await createPasswordHasher().verify(password, hash)).toBe(false)
  })
})

test('a few are worked on at a time, a few wait, the rest are refused', async () => {
  const hasher = createPasswordHasher({ concurrency: 1, queueLimit: 2 })

  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => hasher.hash(password)))

  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'fulfilled',
    'rejected',
    'rejected',
  ])
  expect(outcomes[4]).toMatchObject({ reason: { code: 'SERVICE_BUSY', headers: { 'retry-after': '5' } } })
  expect(await hasher.hash(password)).toStartWith('scrypt$')
})
