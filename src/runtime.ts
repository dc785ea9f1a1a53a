import { addressBehindTls, type Listener, type ListenerOptions, listenWithTls } from '@kiln/shared/http'
import type { AnyElysia } from 'elysia'

interface ListenOptions {
  readonly hostname: string
  /** 0 takes a free one. */
  readonly port: number
}

/** The part of Deno's API that is used here. */
interface Deno {
  serve(
    options: ListenOptions & { onListen: () => void },
    handler: (
      request: Request,
      info: { remoteAddr: { hostname?: string; port?: number } },
    ) => Response | Promise<Response>,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> }
}

/** The part of Bun's server that is used here. */
interface BunServer {
  requestIP(request: Request): { address: string; port: number } | null
}

const deno = (globalThis as { Deno?: Deno }).Deno

/** What this process runs on, for people: `bun 1.4.5`. */
export const runtimeName = deno ? `deno ${process.versions.deno}` : `bun ${process.versions.bun}`

const denoAddresses = new WeakMap<Request, string>()
let bunServer: BunServer | undefined

/** The address that a request came from: the client's, or that of a proxy before us. */
export function clientAddress(request: Request): string | undefined {
  if (deno) return denoAddresses.get(request)
  const peer = bunServer?.requestIP(request)
  return peer ? (addressBehindTls(peer.port) ?? peer.address) : undefined
}

/**
 * Listens, with TLS in front where its files are named.
 *
 * @throws {Error} with code `EADDRINUSE` when the port is taken.
 */
export async function listen(
  app: AnyElysia,
  { tls, ...options }: ListenOptions & { tls?: Pick<ListenerOptions, 'certFile' | 'keyFile' | 'logger'> },
): Promise<Listener> {
  const plain = tls ? { hostname: '127.0.0.1', port: 0 } : options
  const inner = deno ? listenOnDeno(deno, app, plain) : listenOnBun(app, plain)
  return tls ? await listenWithTls({ ...options, ...tls, inner }) : inner
}

/** Calls back at each SIGTERM and SIGINT. */
export function onStopSignal(listener: (signal: string) => void): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => listener(signal))
}

function listenOnDeno(runtime: Deno, app: AnyElysia, options: ListenOptions): Listener {
  const server = runtime.serve({ ...options, onListen: () => {} }, (request, { remoteAddr }) => {
    const { hostname, port = 0 } = remoteAddr
    if (hostname !== undefined) denoAddresses.set(request, addressBehindTls(port) ?? hostname)
    return app.fetch(request)
  })
  return { port: server.addr.port, close: () => server.shutdown() }
}

function listenOnBun(app: AnyElysia, options: ListenOptions): Listener {
  // Without `reusePort: false` a second process on the same port takes half of its requests, in silence.
  app.listen({ ...options, reusePort: false, idleTimeout: 30 })
  const { server } = app
  if (!server?.port) throw new Error('the server does not listen')
  bunServer = server as BunServer
  return {
    port: server.port,
    async close() {
      await app.stop()
    },
  }
}
