import type { TSchema } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler'
import { registerDateTime } from '../date-time.ts'
import type { Issue } from './errors.ts'

const MAX_ISSUES = 20

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>()

function compile(schema: TSchema): TypeCheck<TSchema> {
  registerDateTime()
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
