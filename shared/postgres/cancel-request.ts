import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as secure } from 'node:tls'
import type { PoolClient } from 'pg'

/** What `pg` keeps of a connection; its types leave it out. */
interface Backend {
  readonly host: string
  readonly port: number
  readonly processID: number | null
  readonly secretKey: number | null
  readonly ssl: boolean | ConnectionOptions
  readonly connection: { readonly stream: Socket }
}

const cancelCode = 80_877_102
const sslCode = 80_877_103

/**
 * Asks the server to cancel what runs on a connection, over one of its own. By the protocol rather than by
 * `pg_cancel_backend`, so that it goes through poolers and needs no connection of the pool.
 *
 * @returns when the server has passed it on, or could not be reached within `timeoutMs`. Whether something was cancelled
 * is told on the connection itself, if at all.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export async function requestCancel(client: PoolClient, timeoutMs: number): Promise<void> {
  const { host, port, processID, secretKey, ssl, connection } = client as unknown as Backend
  if (processID === null || secretKey === null) return
  const { remoteAddress, remotePort } = connection.stream
  // The very server of the connection: a name may stand for several.
  const socket = connect(
    remoteAddress === undefined
      ? { path: `${host}/.s.PGSQL.${port}` }
      : { host: remoteAddress, port: remotePort ?? port },
  )
  const timer = setTimeout(() => socket.destroy(), timeoutMs)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {})
  try {
    const request = message(cancelCode, processID, secretKey)
    if (ssl) await sendSecurely(socket, request, { ...(ssl === true ? {} : ssl), host })
    else socket.once('connect', () => socket.end(request))
    await closed
  } catch {
    socket.destroy()
  } finally {
    clearTimeout(timer)
  }
}

async function sendSecurely(
  socket: Socket,
  request: Buffer,
  options: ConnectionOptions & { readonly host: string },
): Promise<void> {
  socket.once('connect', () => socket.write(message(sslCode)))
  const [answer]: Buffer[] = await once(socket, 'data')
  if (answer?.toString() !== 'S') throw new Error('The server does not take TLS')
  const encrypted = secure({
    socket,
    ...(isIP(options.host) === 0 && { servername: options.host }),
    ...options,
  })
  encrypted.on('error', () => socket.destroy())
  encrypted.once('secureConnect', () => encrypted.end(request))
}

/** Its length, then the numbers, each four bytes. */
function message(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 + numbers.length * 4)
  bytes.writeInt32BE(bytes.length)
  for (const [index, number] of numbers.entries()) bytes.writeInt32BE(number | 0, 4 + index * 4)
  return bytes
}
