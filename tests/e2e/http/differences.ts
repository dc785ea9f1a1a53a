import assert from 'node:assert/strict'
import type { Difference } from './suite.ts'

/**
 * Where a runtime is known not to do as a sentence says: what it does, shown like the sentence itself.
 *
 * docs/RUNTIMES.md lists the same.
 */
export const differences: Readonly<Record<string, Difference>> = {
  'no host is refused': {
    runtimes: ['deno'],
    instead: 'it is served',
    async scene({ exchange }) {
      const { status } = await exchange('GET /live HTTP/1.1\r\nConnection: close\r\n\r\n')

      assert.equal(status, 200)
    },
  },
}
