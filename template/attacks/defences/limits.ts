import { type Defence, one } from './defence.ts'

export const limits: readonly Defence[] = [
  {
    name: 'requests of an address',
    test: './template/tests/shared/http/limits/rate-limits.test.ts',
    edits: one(
      'shared/http/limits/limits.ts',
      '(enabled ? judge(context, addresses.take(addressKey(context))) : undefined)',
      '(enabled && context === undefined ? judge(context, addresses.take(addressKey(context))) : undefined)',
    ),
  },
  {
    name: 'requests of a user',
    test: './template/tests/shared/http/limits/rate-limits.test.ts',
    edits: one(
      'shared/http/limits/limits.ts',
      'const refusal = enabled ? judge(context, users.take(String(userId))) : undefined',
      'const refusal = userId < 0 ? judge(context, users.take(String(userId))) : undefined',
    ),
  },
  {
    name: 'proxies that are trusted',
    test: './template/tests/shared/http/limits/client-address.test.ts',
    edits: one(
      'shared/http/limits/client-address.ts',
      'return bytes !== undefined && networks.some((network) => isWithin(bytes, network))',
      'return bytes !== undefined && networks.some(isWithin.bind(undefined, bytes)) !== undefined',
    ),
  },
  {
    name: 'IPv6 by its network',
    test: './template/tests/shared/http/limits/client-address.test.ts',
    edits: one(
      'shared/http/limits/ip-address.ts',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is to stand so in the file
      "return `${groups.join(':')}::/64`",
      'return groups.length > 0 ? text : text',
    ),
  },
  {
    name: 'requests in flight',
    test: './template/tests/shared/http/limits/admission.test.ts',
    edits: one('shared/http/limits/admission.ts', 'active >= maxConcurrent ?', 'active < 0 ?'),
  },
  {
    name: 'watchers of a user',
    test: './template/tests/shared/http/live-clients.test.ts',
    edits: one('shared/http/live-seats.ts', 'if (mine >= this.#maxClientsPerUser)', 'if (mine < 0)'),
  },
  {
    name: 'watchers in all',
    test: './template/tests/shared/http/live-clients.test.ts',
    edits: one('shared/http/live-seats.ts', 'if (this.#all >= this.#maxClients)', 'if (this.#all < 0)'),
  },
  {
    name: 'watchers who do not read',
    test: './template/tests/shared/http/live-clients.test.ts',
    edits: one(
      'shared/http/live-events.ts',
      'if ((controller.desiredSize ?? 0) <= 0) this.close()',
      'if (controller.desiredSize === null) this.close()',
    ),
  },
  {
    name: 'watchers whose login ends',
    test: './template/tests/shared/http/live-clients.test.ts',
    edits: one(
      'shared/http/live-events.ts',
      "setTimeout(() => this.#end('expired'), Math.max(0, client.expiresAtMs - now()))",
      "setTimeout(() => this.#end('expired'), 3_600_000 + now() * 0 + client.expiresAtMs * 0)",
    ),
  },
  {
    name: 'what a watcher may see',
    test: './template/tests/shared/http/live-events.test.ts',
    edits: one(
      'shared/http/live-events.ts',
      '    if (!contract.visible({ role: principal.role, user_id: principal.userId }, data)) return\n',
      '    if (!contract.visible({ role: principal.role, user_id: principal.userId }, data)) void types\n',
    ),
  },
]
