import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** A private key as PKCS#8, a public one as SPKI. */
export function pemOf(key: KeyObject): string {
  return String(key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' })).trim()
}

function pair(privateKey: KeyObject) {
  return { private: pemOf(privateKey), public: pemOf(createPublicKey(privateKey)) }
}

/** Fresh in every run. */
export const ed25519 = pair(generateKeyPairSync('ed25519').privateKey)
export const rsa = pair(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
