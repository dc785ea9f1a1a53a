import { isIPv4, isIPv6 } from 'node:net'

/** Addresses that begin with the same bits. */
export interface Network {
  readonly address: Uint8Array
  readonly bits: number
}

const mappedPrefix = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255)

/** The sixteen bytes of an IPv6 address; an IPv4 address is the IPv6 address that it is mapped to. */
export function parseAddress(text: string): Uint8Array | undefined {
  const [bare = ''] = text.split('%', 1)
  if (isIPv4(bare)) return Uint8Array.of(...mappedPrefix, ...bare.split('.').map(Number))
  return isIPv6(bare) ? bytesOfIPv6(bare) : undefined
}

/** `10.0.0.0/8`, `2001:db8::/32`, or an address alone. */
export function parseNetwork(text: string): Network | undefined {
  const [, host = '', length] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = parseAddress(host)
  if (address === undefined) return undefined
  const skipped = isIPv4(host) ? 96 : 0
  const bits = length === undefined ? 128 : Number(length) + skipped
  return bits <= 128 ? { address, bits } : undefined
}

export function isWithin(address: Uint8Array, network: Network): boolean {
  const whole = network.bits >> 3
  for (let index = 0; index < whole; index++) if (address[index] !== network.address[index]) return false
  const rest = network.bits & 7
  if (rest === 0) return true
  const mask = (0xff00 >> rest) & 0xff
  return ((address[whole] ?? 0) & mask) === ((network.address[whole] ?? 0) & mask)
}

/** An address for people: one that is mapped is written as the IPv4 address it is. */
export function plainAddress(text: string): string {
  const bytes = text.includes(':') ? parseAddress(text) : undefined
  return bytes !== undefined && isMapped(bytes) ? bytes.subarray(12).join('.') : text
}

/**
 * What one client has to itself: an IPv4 address, or the /64 that an IPv6 address is in, since every address of that is
 * the client's to choose. What is no address stays as it is.
 */
export function clientNetwork(text: string): string {
  if (!text.includes(':')) return text
  const bytes = parseAddress(text)
  if (bytes === undefined) return text
  if (isMapped(bytes)) return bytes.subarray(12).join('.')
  const groups = [0, 2, 4, 6].map((at) => (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16))
  return `${groups.join(':')}::/64`
}

function isMapped(bytes: Uint8Array): boolean {
  return mappedPrefix.every((byte, index) => bytes[index] === byte)
}

function bytesOfIPv6(text: string): Uint8Array {
  const groupsOf = (part: string) => (part === '' ? [] : part.split(':').flatMap(valuesOf))
  const [head = '', tail = ''] = text.split('::')
  const [first, last] = [groupsOf(head), groupsOf(tail)]
  const zeros = new Array<number>(8 - first.length - last.length).fill(0)
  return Uint8Array.from([...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 0xff]))
}

/** Of a group, or of the IPv4 address that may stand at the end in place of two. */
function valuesOf(part: string): number[] {
  if (!part.includes('.')) return [Number.parseInt(part, 16)]
  const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
  return [(a << 8) | b, (c << 8) | d]
}
