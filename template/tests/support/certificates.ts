import { spawnSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestCertificate {
  readonly certFile: string
  readonly keyFile: string
}

/** A folder of self-signed certificates for this machine, made by `openssl`. */
export function createCertificates() {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'))
  const make = (name: string): TestCertificate => {
    const certFile = join(folder, `${name}.crt`)
    const keyFile = join(folder, `${name}.key`)
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const made = spawnSync(
      'openssl',
      ['req', '-x509', ...key, '-keyout', keyFile, '-out', certFile, '-days', '30', ...names],
      { encoding: 'utf8' },
    )
    if (made.status !== 0) throw new Error(`openssl: ${made.stderr || made.error}`)
    return { certFile, keyFile }
  }
  return {
    make,
    /** Puts one in the place of another: two steps, as whoever renews them does. */
    replace(old: TestCertificate, next: TestCertificate): void {
      renameSync(next.keyFile, old.keyFile)
      renameSync(next.certFile, old.certFile)
    },
    close: () => rmSync(folder, { recursive: true }),
  }
}
