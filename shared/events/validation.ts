import { FormatRegistry, type TSchema } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler'
import type { Issue } from './errors.ts'

const MAX_ISSUES = 20
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>()

function compile(schema: TSchema): TypeCheck<TSchema> {
  // TypeBox refuses every value of a format nobody registered.
  if (!FormatRegistry.Has('date-time')) {
    FormatRegistry.Set('date-time', (text) => RFC3339.test(text) && !Number.isNaN(Date.parse(text)))
  }
  const check = TypeCompiler.Compile(schema)
  compiled.set(schema, check)
  return check
}

/**
 * What is wrong with a value, at most 20 issues; empty when it fits. Each schema is compiled once.
 *
 * Formats other than `date-time` must be in TypeBox's FormatRegistry before the first call.
 */
export function issuesOf(schema: TSchema, value: unknown): readonly Issue[] {
  const check = compiled.get(schema) ?? compile(schema)
  if (check.Check(value)) return []
  const issues: Issue[] = []
  for (const { path, message } of check.Errors(value)) {
    issues.push({ path, message })
    if (issues.length === MAX_ISSUES) break
  }
  return issues
}
