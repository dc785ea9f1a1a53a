import { lookup } from 'node:dns'
import { BlockList, isIP } from 'node:net'
import { AppError } from '../../errors.ts'

/** What no stranger may make us call: ourselves, our network, clouds' metadata, and what is no single host. */
const refused = new BlockList()
const ranges4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
]
for (const range of ranges4) addRange(range, 'ipv4')

/** Only what is given out for single hosts, less what stands for IPv4 or is documentation. */
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')
for (const range of ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']) addRange(range, 'ipv6')

function addRange(range: string, family: 'ipv4' | 'ipv6'): void {
  const [network = '', bits] = range.split('/')
  refused.addSubnet(network, Number(bits), family)
}

/**
 * True for an address that anybody on the Internet might reach.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !refused.check(address, 'ipv4')
    case 6:
      return global6.check(address, 'ipv6') && !refused.check(address, 'ipv6')
    default:
      return false
  }
}

/** Calls back as `dns.lookup` does. */
type Found = (error: Error | null, addresses?: unknown, family?: number) => void

/**
 * `dns.lookup` for what connects at once to what it gives: a name cannot be public when asked for and private when called.
 *
 * @throws {AppError} `ADDRESS_REFUSED`, to whom it calls back.
 */
export function checkedLookup(isAllowed: (address: string) => boolean) {
  return (hostname: string, options: { readonly all?: boolean }, found: Found): void => {
    lookup(hostname, { all: true }, (error, addresses) => {
      if (error) return found(error)
      const [first] = addresses
      // All of them: which one is taken is not ours to say.
      if (first === undefined || !addresses.every(({ address }) => isAllowed(address)))
        return found(addressRefused(hostname))
      if (options.all) found(null, addresses)
      else found(null, first.address, first.family)
    })
  }
}

export function addressRefused(host: string): AppError {
  return new AppError('ADDRESS_REFUSED', `${host} is not a public address`)
}
