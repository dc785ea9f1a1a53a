import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Logger } from '../observability/logger.ts'
import { repeat } from '../repeat.ts'

export interface TlsFiles {
  /** PEM, leaf first. */
  readonly certFile: string
  /** PEM, not encrypted. */
  readonly keyFile: string
}

/** What listens, with TLS or without. */
export interface Listener {
  readonly port: number
  /** Stops accepting, then waits until the running requests are answered. */
  readonly close: () => Promise<void>
}

export interface ListenerOptions extends TlsFiles {
  readonly hostname: string
  /** 0 takes a free one. */
  readonly port: number
  /** Speaks plain HTTP on 127.0.0.1 and closes with this one. */
  readonly inner: Listener
  /** Told of a new certificate, and why one that is there is not taken. */
  readonly logger: Pick<Logger, 'info' | 'error'>
  /** How often the files are looked at. Default 2,000. */
  readonly pollMs?: number
}

const handshakeTimeoutMs = 10_000

/** Who is behind a connection to an inner listener, by that connection's own port. */
const addresses = new Map<number, string>()

/** The address of the client whose TLS ends here; undefined for a connection from elsewhere. */
export function addressBehindTls(innerPort: number): string | undefined {
  return addresses.get(innerPort)
}

/**
 * Ends TLS 1.2 and 1.3 before a plain listener, and takes up a new certificate without dropping a connection: those
 * that are open keep the old one, the next handshake gets the new.
 *
 * The runtimes' own servers cannot exchange their certificate; `node:tls` can. Files are polled by content, since mounted
 * secrets are exchanged behind links that a watcher does not follow. A pair that does not fit is logged, and the old one
 * stays.
 *
 * @throws when the files cannot be used; with code `EADDRINUSE` when the port is taken.
 */
export async function listenWithTls(options: ListenerOptions): Promise<Listener> {
  const { hostname, port, inner, logger, pollMs = 2000 } = options
  let current = readPair(options)
  checkPair(current)
  const open = new Set<TLSSocket>()
  const server = createServer(
    { ...current, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'], handshakeTimeout: handshakeTimeoutMs },
    (client) => {
      open.add(client)
      client.once('close', () => open.delete(client))
      join(client, inner.port)
    },
  )
  // A handshake that fails is the client's affair.
  server.on('tlsClientError', () => {})
  await listening(server, hostname, port)

  let trouble: string | undefined
  const reload = async () => {
    const next = readPair(options)
    if (next.cert === current.cert && next.key === current.key) return
    const { validTo } = checkPair(next)
    server.setSecureContext(next)
    current = next
    trouble = undefined
    logger.info({ valid_to: validTo }, 'certificate exchanged')
  }
  const failed = (error: unknown) => {
    if (trouble !== String(error)) logger.error({ err: error }, 'the new certificate cannot be used')
    trouble = String(error)
  }
  const stopPolling = repeat(reload, { everyMs: pollMs, failed })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      await stopPolling()
      const closed = new Promise((resolve) => server.close(resolve))
      await inner.close()
      for (const client of open) client.destroySoon()
      await closed
    },
  }
}

function readPair({ certFile, keyFile }: TlsFiles) {
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
}

/** @throws when the key is not that of the certificate: half of the pair may have been written yet. */
function checkPair({ cert, key }: { cert: string; key: string }): X509Certificate {
  const leaf = new X509Certificate(cert)
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the key is not that of the certificate')
  return leaf
}

function listening(server: Server, hostname: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, hostname, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Carries what is said between a client and the inner listener until either has gone. */
function join(client: TLSSocket, innerPort: number): void {
  const { remoteAddress } = client
  const inner = connect({ host: '127.0.0.1', port: innerPort, noDelay: true }, () => {
    const { localPort } = inner
    if (localPort !== undefined && remoteAddress !== undefined) addresses.set(localPort, remoteAddress)
    inner.once('close', () => localPort !== undefined && addresses.delete(localPort))
    client.pipe(inner)
    inner.pipe(client)
  })
  endTogether(client, inner)
  endTogether(inner, client)
}

function endTogether(one: Socket, other: Socket): void {
  one.on('error', () => other.destroy())
  one.once('close', () => other.destroySoon())
}
