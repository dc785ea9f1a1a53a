import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { readTokenKeys } from '@kiln/shared/security'
import { createTestService, type TestService, testSecret } from '../support/service.ts'

const pem = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
} as const
const ed25519 = generateKeyPairSync('ed25519', pem)
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, ...pem })
const attacker = generateKeyPairSync('rsa', { modulusLength: 2048, ...pem })
const attackersJwk = createPublicKey(attacker.publicKey).export({ format: 'jwk' })

let service: TestService
beforeAll(async () => {
  service = await createTestService({
    SERVICE_JWT_SECRET_KEY: testSecret,
    SERVICE_JWT_PRIVATE_KEY: rsa.privateKey,
    SERVICE_JWT_PREVIOUS_KEYS: ed25519.publicKey,
  })
  // Who the tokens say they are of.
  await service.signIn('admin')
})
afterAll(() => service.close())

const [ofRsa, ofSecret, ofEd25519] = readTokenKeys({
  privateKey: rsa.privateKey,
  secret: testSecret,
  previous: [ed25519.publicKey],
}).accepted.map(({ kid }) => kid)

const nowSeconds = Math.floor(Date.now() / 1000)
const claims = {
  sub: '1',
  role: 'admin',
  iss: 'example-service',
  aud: 'example-service',
  iat: nowSeconds,
  exp: nowSeconds + 900,
  jti: 'some-id',
  sid: 'some-login',
  ver: 0,
}

type Header = Record<string, unknown>
type Sign = (signed: string) => Buffer

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')

function forge(header: Header, by: Sign): string {
  const signed = `${encode({ typ: 'JWT', ...header })}.${encode(claims)}`
  return `${signed}.${by(signed).toString('base64url')}`
}

const hmac =
  (key: string | Buffer): Sign =>
  (signed) =>
    createHmac('sha256', key).update(signed).digest()
const rs256 =
  (key: string): Sign =>
  (signed) =>
    sign('sha256', Buffer.from(signed), key)
const eddsa =
  (key: string): Sign =>
  (signed) =>
    sign(null, Buffer.from(signed), key)
const nothing: Sign = () => Buffer.alloc(0)
const byAttacker = rs256(attacker.privateKey)

const ask = (token: string) => service.call('GET', '/api/auth/me', { token })

describe('what the attacks change is all that is wrong with them: a token is good', () => {
  test.each([
    ['of the private key', { alg: 'RS256', kid: ofRsa }, rs256(rsa.privateKey)],
    ['of the secret beside it', { alg: 'HS256', kid: ofSecret }, hmac(testSecret)],
    ['of a key that is verified with', { alg: 'EdDSA', kid: ofEd25519 }, eddsa(ed25519.privateKey)],
  ])('%s', async (_, header, by) => {
    expect((await ask(forge(header, by))).status).toBe(200)
  })
})

const der = (pem: string) => createPublicKey(pem).export({ format: 'der', type: 'spki' })
const jwkText = (pem: string) => JSON.stringify(createPublicKey(pem).export({ format: 'jwk' }))

describe('algorithm confusion: the public key, which everybody has, as the secret of an HMAC', () => {
  test.each([
    ['as PEM', rsa.publicKey, ofRsa],
    ['as PEM with its last line break', `${rsa.publicKey}\n`, ofRsa],
    ['as DER', der(rsa.publicKey), ofRsa],
    ['as JWK', jwkText(rsa.publicKey), ofRsa],
    ['as PEM, of Ed25519', ed25519.publicKey, ofEd25519],
    ['as PEM, under the id of the secret', rsa.publicKey, ofSecret],
    ['as PEM, without an id', rsa.publicKey, undefined],
  ])('%s', async (_, key, kid) => {
    const { status, body } = await ask(forge({ alg: 'HS256', kid }, hmac(key)))

    expect(status).toBe(401)
    expect(body).toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})

describe('algorithm confusion: the right key under the name of another algorithm', () => {
  test.each([
    ['none', { alg: 'none', kid: ofRsa }, nothing],
    ['none, with the signature of the key', { alg: 'none', kid: ofRsa }, rs256(rsa.privateKey)],
    ['NONE', { alg: 'NONE', kid: ofSecret }, nothing],
    ['nOnE', { alg: 'nOnE', kid: ofSecret }, nothing],
    ['an empty one', { alg: '', kid: ofSecret }, hmac(testSecret)],
    ['no algorithm at all', { kid: ofSecret }, hmac(testSecret)],
    ['a list', { alg: ['HS256'], kid: ofSecret }, hmac(testSecret)],
    ['RS256 for the secret', { alg: 'RS256', kid: ofSecret }, hmac(testSecret)],
    ['HS256 for the RSA key', { alg: 'HS256', kid: ofRsa }, rs256(rsa.privateKey)],
    ['PS256 for the RSA key', { alg: 'PS256', kid: ofRsa }, rs256(rsa.privateKey)],
    ['RS512 for the RSA key', { alg: 'RS512', kid: ofRsa }, rs256(rsa.privateKey)],
    ['ES256 for Ed25519', { alg: 'ES256', kid: ofEd25519 }, eddsa(ed25519.privateKey)],
    ['lower case', { alg: 'hs256', kid: ofSecret }, hmac(testSecret)],
  ])('%s', async (_, header, by) => {
    expect((await ask(forge(header, by))).status).toBe(401)
  })
})

describe('key confusion: a key of ours under the id of another', () => {
  test.each([
    ['the secret under the id of RSA', { alg: 'RS256', kid: ofRsa }, hmac(testSecret)],
    ['Ed25519 under the id of RSA', { alg: 'EdDSA', kid: ofRsa }, eddsa(ed25519.privateKey)],
    ['RSA under the id of Ed25519', { alg: 'RS256', kid: ofEd25519 }, rs256(rsa.privateKey)],
    ['no id', { alg: 'RS256' }, rs256(rsa.privateKey)],
    ['no id, with the secret', { alg: 'HS256' }, hmac(testSecret)],
    ['an id that is a number', { alg: 'HS256', kid: 0 }, hmac(testSecret)],
    ['an id that is a list', { alg: 'HS256', kid: [ofSecret] }, hmac(testSecret)],
    ['an id that is null', { alg: 'HS256', kid: null }, hmac(testSecret)],
  ])('%s', async (_, header, by) => {
    expect((await ask(forge(header, by))).status).toBe(401)
  })
})

describe('key id injection: an id that a careless service would look up', () => {
  test.each([
    ['a file that is empty', '/dev/null', hmac('')],
    ['a file above the folder', '../../../../../../../dev/null', hmac('')],
    ['a file with known content', '/proc/sys/kernel/randomize_va_space', hmac('2\n')],
    ['SQL that selects the key', "x' union select 'attacker' -- ", hmac('attacker')],
    ['SQL that drops', "'; drop table users; --", hmac('')],
    ['a shell command', `$(cat /etc/passwd)|${ofSecret}`, hmac('')],
    ['an address', 'http://127.0.0.1:1/key', hmac('attacker')],
    ['a property of every object', '__proto__', hmac('')],
    ['a method of every object', 'constructor', hmac('undefined')],
    ['the id with NUL behind it', `${ofSecret}\u0000`, hmac(testSecret)],
    ['the id in upper case', `${ofSecret}`.toUpperCase(), hmac(testSecret)],
    ['nothing', '', hmac('')],
    ['3,000 characters', 'x'.repeat(3000 - 500), hmac('')],
  ])('%s', async (_, kid, by) => {
    const { status, body } = await ask(forge({ alg: 'HS256', kid }, by))

    expect(status).toBe(401)
    expect(JSON.stringify(body)).not.toContain(kid || 'kid')
  })
})

describe('a key that the token brings along, or tells where to find', () => {
  let asked = 0
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch() {
      asked += 1
      return Response.json({ keys: [{ ...attackersJwk, kid: 'attacker', alg: 'RS256', use: 'sig' }] })
    },
  })
  afterAll(() => server.stop(true))
  const url = `http://127.0.0.1:${server.port}/jwks.json`
  const certificate = der(attacker.publicKey).toString('base64')

  test.each([
    ['jwk', { jwk: attackersJwk }],
    ['jwk with an id of ours', { jwk: { ...attackersJwk, kid: ofRsa } }],
    ['jku', { jku: url }],
    ['x5u', { x5u: url }],
    ['x5c', { x5c: [certificate] }],
    ['x5t', { x5t: 'attacker' }],
  ])('in %s', async (_, header) => {
    for (const kid of [ofRsa, 'attacker', undefined])
      expect((await ask(forge({ alg: 'RS256', kid, ...header }, byAttacker))).status).toBe(401)

    expect(asked).toBe(0)
  })

  test.each([
    ['jku beside a good signature', { jku: url }],
    ['jwk beside a good signature', { jwk: attackersJwk }],
    ['an extension that must be understood', { crit: ['exp'] }],
    ['an unencoded payload', { b64: false, crit: ['b64'] }],
    ['a compressed payload', { zip: 'DEF' }],
    ['a token within the token', { cty: 'JWT' }],
  ])('and so is %s', async (_, header) => {
    expect((await ask(forge({ alg: 'RS256', kid: ofRsa, ...header }, rs256(rsa.privateKey)))).status).toBe(
      401,
    )
    expect(asked).toBe(0)
  })
})

describe('a signature that is none', () => {
  const good = forge({ alg: 'RS256', kid: ofRsa }, rs256(rsa.privateKey))
  const [header = '', payload = '', signature = ''] = good.split('.')
  const ofNoBytes = forge({ alg: 'EdDSA', kid: ofEd25519 }, () => Buffer.alloc(64))

  test.each([
    ['cut by one character', good.slice(0, -1)],
    ['cut in the middle', good.slice(0, -170)],
    ['cut away', `${header}.${payload}.`],
    ['cut away with its dot', `${header}.${payload}`],
    ['twice', `${good}.${signature}`],
    ['of zeros, Ed25519', ofNoBytes],
    ['with padding', `${good}==`],
    ['of another token', `${header}.${encode({ ...claims, sub: '2' })}.${signature}`],
    ['in front', `${signature}.${payload}.${header}`],
    ['encrypted: five parts', `${header}.${payload}.${signature}.${payload}.${signature}`],
  ])('%s', async (_, token) => {
    expect((await ask(token)).status).toBe(401)
  })
})

test('a private key of ours never leaves with the public ones', async () => {
  const { body } = await service.call<{ keys: object[] }>('GET', '/.well-known/jwks.json')

  const { d, p, q } = createPrivateKey(rsa.privateKey).export({ format: 'jwk' })
  expect(body.keys).toHaveLength(2)
  for (const member of [d, p, q, testSecret]) expect(JSON.stringify(body)).not.toContain(member ?? 'd')
})
