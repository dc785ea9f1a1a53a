import { describe, expect, test } from 'bun:test'
import { clientAddressOf, parseProxies } from '@kiln/shared/http'
import { clientNetwork } from '../../../../../shared/http/limits/ip-address.ts'

/** The address of a request that came from `peer` with these headers. */
function addressOf(peer: string | undefined, forwarded: string | undefined, trustedProxies?: string) {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  const address = clientAddressOf({ peerAddress: () => peer, trustedProxies })
  return address(new Request('http://localhost/', { headers }))
}

const proxies = '10.0.0.0/8, fd00::/8, 192.0.2.7'

describe('the address of a client', () => {
  test.each([
    ['198.51.100.1', undefined, '198.51.100.1'],
    ['::ffff:198.51.100.1', undefined, '198.51.100.1'],
    [undefined, '1.2.3.4', undefined],
  ])('without proxies, %s is whoever connects', (peer, forwarded, address) => {
    expect(addressOf(peer, forwarded)).toBe(address)
  })

  test.each([
    ['198.51.100.1', undefined],
    ['198.51.100.1', proxies],
    ['11.0.0.1', proxies],
    ['192.0.2.6', proxies],
    ['fe00::1', proxies],
  ])('that %s claims to speak for is ignored, trusted being %s', (peer, trusted) => {
    expect(addressOf(peer, '1.2.3.4', trusted)).toBe(peer)
  })

  test.each([
    ['10.1.2.3', '1.2.3.4', '1.2.3.4'],
    ['10.1.2.3', '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['10.1.2.3', '6.6.6.6, 1.2.3.4,10.9.9.9 , fd00::5', '1.2.3.4'],
    ['::ffff:10.1.2.3', '1.2.3.4', '1.2.3.4'],
    ['fd00::1', '2001:db8::1', '2001:db8::1'],
    ['192.0.2.7', '::ffff:1.2.3.4', '1.2.3.4'],
    ['10.1.2.3', '1.2.3.4:4711', '1.2.3.4'],
    ['10.1.2.3', '[2001:db8::1]:4711', '2001:db8::1'],
    ['10.1.2.3', '10.4.4.4, 10.5.5.5', '10.4.4.4'],
  ])(
    'behind %s it is what stands furthest right in "%s" of those nobody trusts',
    (peer, forwarded, address) => {
      expect(addressOf(peer, forwarded, proxies)).toBe(address)
    },
  )

  test.each([
    ['unknown', '10.1.2.3'],
    ['', '10.1.2.3'],
    ['1.2.3.4, , 10.5.5.5', '10.5.5.5'],
    ['1.2.3.4, 300.1.1.1', '10.1.2.3'],
    ['1.2.3.4, 10.5.5.5, <script>', '10.1.2.3'],
    ['1.2.3.4, fe80::1%eth0', '10.1.2.3'],
    [`1.2.3.4, ${'9'.repeat(5000)}`, '10.1.2.3'],
  ])('what is no address ends the walk: %.40s', (forwarded, address) => {
    expect(addressOf('10.1.2.3', forwarded, proxies)).toBe(address)
  })

  test('a proxy that may have been forgotten is warned of, once', () => {
    const warned: object[] = []
    const logger = { warn: (fields: object) => void warned.push(fields) }
    const address = clientAddressOf({ peerAddress: () => '172.16.0.1', trustedProxies: proxies, logger })
    const request = new Request('http://localhost/', { headers: { 'x-forwarded-for': '1.2.3.4' } })

    address(request)
    address(request)

    expect(warned).toEqual([{ peer: '172.16.0.1' }])
  })
})

describe('the list of proxies', () => {
  test.each(['10.0.0.0/8', '::1', '0.0.0.0/0,::/0', '::ffff:10.0.0.0/104', '1.2.3.4/32 , 2001:db8::/29'])(
    '%s is one',
    (text) => {
      expect(parseProxies(text)).toBeArray()
    },
  )

  test.each([
    '10.0.0.0/33',
    '::1/129',
    '10.0.0',
    'proxy.internal',
    '10.0.0.0/8,',
    '10.0.0.0/-1',
    'fe80::1%a/64',
  ])('%s is none', (text) => {
    expect(parseProxies(text)).toBeUndefined()
  })

  test.each([
    ['2001:db8::/29', '2001:db8:ffff::1', '2001:dc0::1'],
    ['10.0.0.0/9', '10.127.255.255', '10.128.0.0'],
    ['::ffff:10.0.0.0/104', '10.255.0.1', '11.0.0.0'],
    ['192.0.2.4/31', '192.0.2.5', '192.0.2.6'],
  ])('of %s, %s is trusted, %s is not', (trusted, inside, outside) => {
    expect(addressOf(inside, '1.2.3.4', trusted)).toBe('1.2.3.4')
    expect(addressOf(outside, '1.2.3.4', trusted)).toBe(outside)
  })
})

describe('what counts as one client', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['unknown', 'unknown'],
  ])('%s is %s', (address, network) => {
    expect(clientNetwork(address)).toBe(network)
  })
})
