import { type Defence, one } from './defence.ts'

export const requests: readonly Defence[] = [
  {
    name: 'the size of a URL',
    test: './template/tests/shared/http/web-guard.test.ts',
    edits: one(
      'shared/http/web-guard.ts',
      'if (request.url.length > maxUrlBytes)',
      'if (request.url.length < 0)',
    ),
  },
  {
    name: 'the size of a body',
    test: './template/tests/shared/http/bodies.test.ts',
    edits: [
      ...one('shared/http/json-body.ts', '    if (Number(declared) > maxBytes) throw tooLarge()\n', ''),
      ...one('shared/http/json-body.ts', '    if (bytes.byteLength > maxBytes) throw tooLarge()\n', ''),
    ],
  },
  {
    name: 'no compressed bodies',
    test: './template/tests/shared/http/bodies.test.ts',
    edits: one(
      'shared/http/json-body.ts',
      "if (encoding !== null && encoding.toLowerCase() !== 'identity')",
      "if (encoding === '')",
    ),
  },
  {
    name: 'time for a body',
    test: 'tests/security/slow-clients.test.ts',
    edits: one(
      'shared/http/json-body.ts',
      'await inTime(readBytes(request, maxBytes), timeoutMs)',
      'await inTime(readBytes(request, maxBytes), timeoutMs * 1000)',
    ),
  },
  {
    name: 'the depth of JSON',
    test: './template/tests/shared/http/bodies.test.ts',
    edits: one(
      'shared/http/json-body.ts',
      'unsafeValues(body, { maxDepth })',
      'unsafeValues(body, { maxDepth: maxDepth * 1000 })',
    ),
  },
  {
    name: 'one field of a name',
    test: './template/tests/shared/http/repeated-names.test.ts',
    edits: one(
      'shared/http/json-body.ts',
      'if (repeatsName(text, body))',
      'if (repeatsName(text, body) && body === text)',
    ),
  },
  {
    name: 'characters and numbers of JSON',
    test: './template/tests/shared/http/bodies.test.ts',
    edits: one('shared/http/json-safety.ts', 'problemOf(value) ?? (depth', '(depth'),
  },
  {
    name: 'patterns that grow with their texts',
    test: 'tests/security/patterns.test.ts',
    edits: one(
      'src/modules/users/schemas.ts',
      "'^[^@\\\\s]+@[^@\\\\s.]+(\\\\.[^@\\\\s.]+)+$'",
      "'^([^@\\\\s]+\\\\.?)+@[^@\\\\s]+$'",
    ),
  },
  {
    name: 'security headers',
    test: './template/tests/shared/http/web-guard.test.ts',
    edits: one('shared/http/web-guard.ts', '      dress(headers)\n', '      dress(new Headers(headers))\n'),
  },
  {
    name: 'listed origins',
    test: './template/tests/shared/http/web-guard.test.ts',
    edits: one(
      'shared/http/cors.ts',
      '      if (origin === null || !allowed.has(origin)) return\n',
      '      if (origin === null) return\n',
    ),
  },
  {
    name: 'lines of the log',
    test: 'tests/security/logs.test.ts',
    edits: one(
      'shared/http/request-context.ts',
      'received !== null && wellFormedId.test(received)',
      'received !== null',
    ),
  },
  {
    name: 'secrets out of logs',
    test: './template/tests/shared/observability/logger.test.ts',
    edits: one(
      'shared/observability/logger.ts',
      "redact: { paths: redactedPaths, censor: '[redacted]' }",
      "redact: { paths: redactedPaths.slice(0, 0), censor: '[redacted]' }",
    ),
  },
  {
    name: 'files by their name alone',
    test: 'tests/security/injection.test.ts',
    edits: one(
      'shared/http/docs.ts',
      '  for (const name of assetNames)\n',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is to stand so in the file
      "  routes.get('/docs/*', async ({ params }) => (await import('node:fs')).readFileSync(`${import.meta.dirname}/../../${decodeURIComponent(params['*']).replaceAll('../', '')}`, 'utf8'))\n  for (const name of assetNames)\n",
    ),
  },
]
