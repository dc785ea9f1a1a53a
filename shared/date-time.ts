import { FormatRegistry } from '@sinclair/typebox'

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i

/**
 * Makes `format: 'date-time'` mean what JSON Schema says, RFC 3339, wherever TypeBox checks it. It knows no formats itself, and
 * Elysia's takes quoted texts and years of six digits, which are no dates or none of PostgreSQL's.
 */
export function registerDateTime(): void {
  FormatRegistry.Set('date-time', (text) => rfc3339.test(text) && !Number.isNaN(Date.parse(text)))
}
