import { type Defence, one } from './defence.ts'

export const data: readonly Defence[] = [
  {
    name: 'own records only',
    test: 'tests/security/ids.test.ts',
    edits: one(
      'src/modules/users/policy.ts',
      "if (userId !== id && role !== 'manager' && role !== 'admin')",
      'if (userId === -id && role)',
    ),
  },
  {
    name: 'managed roles',
    test: 'tests/security/ids.test.ts',
    edits: one(
      'src/modules/users/policy.ts',
      "if (role !== 'admin' && !managedRoles.includes(given))",
      "if (role === 'applicant' && !given)",
    ),
  },
  {
    name: 'unknown fields',
    test: 'tests/security/ids.test.ts',
    edits: one(
      'shared/http/json-body.ts',
      '...(schema ? unknownFields(body, schema) : [])',
      '...(schema ? unknownFields(undefined, schema) : [])',
    ),
  },
  {
    name: 'parameters of SQL',
    test: 'tests/security/injection.test.ts',
    edits: one(
      'src/modules/audit/audit.ts',
      "query = query.where('entity_id', '=', filter.entity_id)",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is to stand so in the file
      "query = query.where((await import('kysely')).sql.raw<boolean>(`entity_id = '${filter.entity_id}'`))",
    ),
  },
  {
    name: 'whole numbers in paths',
    test: 'tests/security/injection.test.ts',
    edits: one(
      'shared/schema.ts',
      'return /^\\d{1,16}$/.test(String(value)) && Number(value) >= minimum && Number(value) <= maximum',
      "return minimum <= maximum || value === ''",
    ),
  },
  {
    name: 'correlation ids',
    test: 'tests/security/injection.test.ts',
    edits: one(
      'shared/http/request-context.ts',
      'received !== null && wellFormedId.test(received)',
      'received !== null',
    ),
  },
  {
    name: 'NUL in paths',
    test: './template/tests/shared/http/bodies.test.ts',
    edits: one('shared/http/json-body.ts', '{ ...query, ...params }', 'query'),
  },
]
