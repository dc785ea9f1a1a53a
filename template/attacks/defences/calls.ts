import { type Defence, one } from './defence.ts'

export const calls: readonly Defence[] = [
  {
    name: 'addresses of strangers',
    test: './template/tests/shared/http/http-client.test.ts',
    edits: one(
      'shared/http/client/public-fetch.ts',
      'if (isIP(host) !== 0 && !isAllowed(host)) throw',
      "if (host === '') throw",
    ),
  },
  {
    name: 'addresses that names lead to',
    test: './template/tests/shared/http/http-client.test.ts',
    edits: one(
      'shared/http/client/addresses.ts',
      'if (first === undefined || !addresses.every(({ address }) => isAllowed(address)))',
      'if (first === undefined || (!isAllowed(first.address) && addresses.length > 99))',
    ),
  },
  {
    name: 'ranges that are nobody’s to call',
    test: './template/tests/shared/http/http-client.test.ts',
    edits: one(
      'shared/http/client/addresses.ts',
      "for (const range of ranges4) addRange(range, 'ipv4')",
      "for (const range of ranges4.slice(0, 0)) addRange(range, 'ipv4')",
    ),
  },
  {
    name: 'no redirects',
    test: './template/tests/shared/http/http-client.test.ts',
    edits: one('shared/http/client/attempt.ts', "redirect: 'manual'", "redirect: 'follow'"),
  },
  {
    name: 'the size of an answer',
    test: './template/tests/shared/http/http-client.test.ts',
    edits: one('shared/http/client/attempt.ts', 'if (size > maxBytes) throw', 'if (size < 0) throw'),
  },
  {
    name: 'schemas of events',
    test: 'tests/security/hostile-events.test.ts',
    edits: one('shared/events/decode.ts', '  check(contract, dataversion, data)\n  return', '  return'),
  },
  {
    name: 'a reader that goes on',
    test: 'tests/security/hostile-events.test.ts',
    edits: one(
      'shared/events/consume/receive.ts',
      "return { kind: 'refuse', error: asRefusal(error), key }",
      'throw error',
    ),
  },
  {
    name: 'notes of ours alone',
    test: 'tests/security/hostile-events.test.ts',
    edits: one(
      'shared/events/entry.ts',
      'return Number.isSafeInteger(count) && count >= 0 ? count : 0',
      'return count',
    ),
  },
]
