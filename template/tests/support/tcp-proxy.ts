import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A server's address that can be taken away and given back, while the server itself stays as it is. */
export async function startTcpProxy(target: string) {
  const url = new URL(target)
  const [host, port] = [url.hostname, Number(url.port)]
  const sockets = new Set<Socket>()
  let refusing = false
  const server: Server = createServer((client) => {
    if (refusing) return client.destroy()
    const upstream = connect(port, host)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url.port = String((server.address() as AddressInfo).port)
  url.hostname = '127.0.0.1'

  const refuse = (): void => {
    refusing = true
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.href,
    /** Cuts every connection, and each new one at once. */
    refuse,
    accept() {
      refusing = false
    },
    async close(): Promise<void> {
      refuse()
      server.close()
    },
  }
}
