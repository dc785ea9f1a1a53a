import type { EventLogger } from '../../events/observer.ts'
import { isWithin, type Network, parseAddress, parseNetwork, plainAddress } from './ip-address.ts'

type AddressOf = (request: Request) => string | undefined

/** The networks of `10.0.0.0/8,fd00::/8`; undefined where one of them is wrong. */
export function parseProxies(text: string | undefined): readonly Network[] | undefined {
  const networks = text?.split(',').map((part) => parseNetwork(part.trim())) ?? []
  return networks.every((network) => network !== undefined) ? networks : undefined
}

export interface ClientAddressOptions {
  /** The address that a connection comes from. */
  readonly peerAddress: AddressOf
  /** As `parseProxies` reads it: those whose word is taken for whom they speak for. Default none. */
  readonly trustedProxies?: string | undefined
  /** Warned once, when somebody who is not trusted sends `X-Forwarded-For`: it may be a proxy that was forgotten. */
  readonly logger?: Pick<EventLogger, 'warn'>
}

/**
 * The address of a request's client: the peer's, or, where that is a trusted proxy, what `X-Forwarded-For` says of whom
 * it got the request from; and so on from right to left, past every trusted one. Whatever an untrusted peer sends is
 * ignored, and an entry that is no address ends the walk at the proxy that wrote it.
 *
 * `Forwarded` (RFC 7239) is not read: proxies that do not know it hand it on as the client wrote it.
 */
export function clientAddressOf({ peerAddress, trustedProxies, logger }: ClientAddressOptions): AddressOf {
  const networks = parseProxies(trustedProxies) ?? []
  const isTrusted = (address: string) => {
    const bytes = parseAddress(address)
    return bytes !== undefined && networks.some((network) => isWithin(bytes, network))
  }
  let told = false

  return (request) => {
    const peer = peerAddress(request)
    if (peer === undefined) return undefined
    const forwarded = request.headers.get('x-forwarded-for')
    const trusted = forwarded !== null && networks.length > 0 && isTrusted(peer)
    if (forwarded !== null && !trusted && !told) {
      told = true
      logger?.warn({ peer: plainAddress(peer) }, 'X-Forwarded-For is ignored: the peer is no trusted proxy')
    }
    return plainAddress(trusted ? walk(forwarded, peer, isTrusted) : peer)
  }
}

function walk(forwarded: string, peer: string, isTrusted: (address: string) => boolean): string {
  let client = peer
  let end = forwarded.length
  while (end >= 0 && isTrusted(client)) {
    const start = end === 0 ? -1 : forwarded.lastIndexOf(',', end - 1)
    const hop = hopAddress(forwarded.slice(start + 1, end).trim())
    if (hop === undefined) break
    client = hop
    end = start
  }
  return client
}

/** Some proxies write the port along: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function hopAddress(entry: string): string | undefined {
  if (entry.length > 64 || entry.includes('%')) return undefined
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\]|(\d[\d.]+))(?::\d{1,5})?$/.exec(entry) ?? []
  const address = bracketed ?? dotted ?? entry
  return parseAddress(address) === undefined ? undefined : address
}
